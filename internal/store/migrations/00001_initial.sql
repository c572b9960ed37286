-- The schema of both dialects. It is written for Postgres; SQLite takes the
-- same text, since there a column's type is only a hint (BYTEA columns hold
-- BLOBs). Times are Unix milliseconds, 0 for never.

-- +goose Up

-- One value per key: the check of the encryption key, how the server ended, the
-- account token that was applied last.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE accounts (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    token_hash     TEXT NOT NULL UNIQUE,
    instance_limit BIGINT, -- null: none
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);

CREATE TABLE instances (
    id                    TEXT PRIMARY KEY,
    account_id            TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name                  TEXT NOT NULL,
    token_hash            TEXT NOT NULL UNIQUE,
    token                 BYTEA NOT NULL, -- sealed
    device_jid            TEXT NOT NULL, -- empty: no phone is linked
    lid                   TEXT NOT NULL,
    push_name             TEXT NOT NULL,
    business_name         TEXT NOT NULL,
    picture_url           TEXT NOT NULL,
    logged_out            BOOLEAN NOT NULL,
    auto_reject_calls     BOOLEAN NOT NULL,
    call_reject_message   TEXT NOT NULL,
    ignore_group_messages BOOLEAN NOT NULL,
    keep_online_status    BOOLEAN NOT NULL,
    auto_read_messages    BOOLEAN NOT NULL,
    disable_history_sync  BOOLEAN NOT NULL,
    ignore_status         BOOLEAN NOT NULL,
    proxy_enabled         BOOLEAN NOT NULL,
    proxy_host            TEXT NOT NULL,
    proxy_port            TEXT NOT NULL,
    proxy_protocol        TEXT NOT NULL,
    proxy_username        TEXT NOT NULL,
    proxy_password        BYTEA, -- sealed; null: none
    phone_seen            BIGINT NOT NULL,
    sequence              BIGINT NOT NULL DEFAULT 0, -- of the last event
    owner                 TEXT NOT NULL DEFAULT '', -- the node that holds the lease
    epoch                 BIGINT NOT NULL DEFAULT 0, -- of that lease
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    UNIQUE (account_id, name)
);

CREATE TABLE websocket_configs (
    instance_id  TEXT PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
    enabled      BOOLEAN NOT NULL,
    events       TEXT NOT NULL, -- names joined by commas; empty: all six
    media_base64 BOOLEAN NOT NULL
);

-- The primary key recognises repeats, and finds a message by its ID alone.
CREATE TABLE messages (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    message_id  TEXT NOT NULL,
    chat_key    TEXT NOT NULL,
    sender_key  TEXT NOT NULL,
    from_me     BOOLEAN NOT NULL,
    kind        TEXT NOT NULL,
    body        TEXT NOT NULL,
    source      TEXT NOT NULL,
    sent_at     BIGINT NOT NULL, -- by WhatsApp's clock
    stored_at   BIGINT NOT NULL, -- by ours; retention counts from here
    placeholder BOOLEAN NOT NULL,
    status      BIGINT NOT NULL DEFAULT 0, -- rank of the best receipt
    status_at   BIGINT NOT NULL DEFAULT 0,
    raw         BYTEA, -- WhatsApp protobuf; null for placeholders
    PRIMARY KEY (instance_id, message_id, chat_key, sender_key)
);

CREATE INDEX messages_stored_at ON messages (stored_at);

CREATE TABLE labels (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    label_id    TEXT NOT NULL,
    name        TEXT NOT NULL,
    color       BIGINT NOT NULL,
    deleted     BOOLEAN NOT NULL,
    PRIMARY KEY (instance_id, label_id)
);

-- A removed assignment stays as a row that says so.
CREATE TABLE label_assignments (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    label_id    TEXT NOT NULL,
    chat_jid    TEXT NOT NULL,
    message_id  TEXT NOT NULL, -- empty: the chat itself
    labeled     BOOLEAN NOT NULL,
    PRIMARY KEY (instance_id, label_id, chat_jid, message_id)
);

CREATE TABLE names (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    jid         TEXT NOT NULL,
    name        TEXT NOT NULL,
    PRIMARY KEY (instance_id, jid)
);

-- +goose Down
DROP TABLE names;
DROP TABLE label_assignments;
DROP TABLE labels;
DROP TABLE messages;
DROP TABLE websocket_configs;
DROP TABLE instances;
DROP TABLE accounts;
DROP TABLE meta;
