-- Webhooks, the deliveries that wait in their lines, and the bodies of these.
-- Each index serves one step of the queue, and holds only the rows of that
-- step: what it costs does not grow with the log or with other backlogs.
--
-- Deliveries refer to their webhook and their body without a foreign key: each
-- would need one more index to be checked by. Webhooks go only with their
-- instance, bodies only when their count of deliveries is 0.

-- +goose Up

CREATE TABLE webhooks (
    id            TEXT PRIMARY KEY,
    instance_id   TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    label         TEXT NOT NULL,
    enabled       BOOLEAN NOT NULL,
    private       BYTEA NOT NULL, -- sealed: URL, authorization, secrets, headers
    by_events     BOOLEAN NOT NULL,
    events        TEXT NOT NULL, -- names joined by commas; empty: all six
    media_base64  BOOLEAN NOT NULL,
    secret_until  BIGINT NOT NULL, -- of the old secret
    ordering      TEXT NOT NULL,
    generation    BIGINT NOT NULL,
    revision      BIGINT NOT NULL DEFAULT 0, -- rises with each set
    paused        BOOLEAN NOT NULL,
    reason        TEXT NOT NULL,
    failing_since BIGINT NOT NULL,
    due_at        BIGINT NOT NULL DEFAULT 0, -- never 0 while leased
    held          BOOLEAN NOT NULL DEFAULT FALSE, -- the first in line is not due before due_at
    lease_owner   TEXT NOT NULL DEFAULT '', -- empty: not leased
    lease_until   BIGINT NOT NULL DEFAULT 0,
    UNIQUE (instance_id, label)
);

CREATE INDEX webhooks_due ON webhooks (due_at) WHERE lease_owner = '' AND failing_since = 0;
CREATE INDEX webhooks_due_slow ON webhooks (due_at) WHERE lease_owner = '' AND failing_since > 0;
CREATE INDEX webhooks_leased ON webhooks (lease_until) WHERE lease_owner <> '';

-- A body is in its row if it is short, else in chunks. While it waits for a
-- file, the row holds the envelope without it.
CREATE TABLE webhook_bodies (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    id          TEXT NOT NULL, -- UUID of version 7
    refs        BIGINT NOT NULL, -- deliveries that refer to it
    filled      BOOLEAN NOT NULL,
    size        BIGINT NOT NULL, -- bytes, not sealed
    body        BYTEA, -- sealed
    fill        TEXT NOT NULL, -- names the chunks; empty: there are none
    source      BYTEA, -- sealed: the file that it waits for
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (instance_id, id)
);

CREATE INDEX webhook_bodies_unfilled ON webhook_bodies (id) WHERE NOT filled;
CREATE INDEX webhook_bodies_unused ON webhook_bodies (id) WHERE refs <= 0;

CREATE TABLE webhook_body_chunks (
    instance_id TEXT NOT NULL,
    body_id     TEXT NOT NULL,
    fill        TEXT NOT NULL,
    n           BIGINT NOT NULL, -- from 0
    chunk       BYTEA NOT NULL, -- sealed
    PRIMARY KEY (instance_id, body_id, fill, n),
    FOREIGN KEY (instance_id, body_id) REFERENCES webhook_bodies (instance_id, id) ON DELETE CASCADE
);

CREATE TABLE webhook_deliveries (
    instance_id    TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    id             TEXT NOT NULL, -- UUID of version 7
    webhook_id     TEXT NOT NULL,
    generation     BIGINT NOT NULL,
    body_id        TEXT NOT NULL,
    event          TEXT NOT NULL,
    event_id       TEXT NOT NULL,
    sequence       BIGINT NOT NULL,
    chat_key       TEXT NOT NULL, -- of one that waits, or waited
    waiting        BOOLEAN NOT NULL, -- for its body, or behind such a one
    parked         BOOLEAN NOT NULL,
    state          TEXT NOT NULL,
    reason         TEXT NOT NULL DEFAULT '',
    failures       BIGINT NOT NULL DEFAULT 0,
    event_failures BIGINT NOT NULL DEFAULT 0,
    first_attempt  BIGINT NOT NULL DEFAULT 0,
    attempted_at   BIGINT NOT NULL DEFAULT 0,
    next_at        BIGINT NOT NULL DEFAULT 0, -- 0: as soon as it is its turn
    attempts       BYTEA, -- sealed; null: none
    created_at     BIGINT NOT NULL,
    queued_at      BIGINT NOT NULL, -- when it became pending last
    finished_at    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (instance_id, id)
);

-- The line, and what is to bury.
CREATE INDEX webhook_deliveries_line ON webhook_deliveries (webhook_id, generation, parked, waiting, sequence)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_parked ON webhook_deliveries (webhook_id, generation, next_at, sequence)
    WHERE state = 'pending' AND parked AND NOT waiting;
-- Those that wait, by what they wait for and by chat.
CREATE INDEX webhook_deliveries_body ON webhook_deliveries (instance_id, body_id) WHERE waiting;
CREATE INDEX webhook_deliveries_chat ON webhook_deliveries (webhook_id, chat_key, sequence) WHERE waiting;
-- Dead letters, of an instance and of a webhook, and what is to sweep.
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (instance_id, id) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_dead_of ON webhook_deliveries (webhook_id, id) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (state, finished_at) WHERE finished_at > 0;

-- +goose Down
DROP TABLE webhook_deliveries;
DROP TABLE webhook_body_chunks;
DROP TABLE webhook_bodies;
DROP TABLE webhooks;
