-- Files of messages, and the buckets that they go to. Times are Unix
-- milliseconds, 0 for never.

-- +goose Up

-- One row for each file that somebody wanted. The key is that of its message,
-- which may be gone before the file is.
CREATE TABLE media_files (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    chat_key    TEXT NOT NULL,
    sender_key  TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    ref         BYTEA NOT NULL, -- sealed JSON: it holds the key of the file
    state       TEXT NOT NULL, -- wanted, stored, failed
    place       TEXT NOT NULL, -- disk, s3
    object      TEXT NOT NULL,
    size        BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    next_at     BIGINT NOT NULL, -- of a wanted one
    reason      TEXT NOT NULL, -- of a failed one
    stored_at   BIGINT NOT NULL,
    PRIMARY KEY (instance_id, chat_key, sender_key, message_id)
);

CREATE INDEX media_files_wanted ON media_files (next_at) WHERE state = 'wanted';

CREATE INDEX media_files_on_disk ON media_files (stored_at) WHERE state = 'stored' AND place = 'disk';

CREATE INDEX media_files_in_bucket ON media_files (stored_at) WHERE state = 'stored' AND place = 's3';

CREATE INDEX media_files_failed ON media_files (next_at) WHERE state = 'failed';

CREATE TABLE media_buckets (
    instance_id TEXT PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
    enabled     BOOLEAN NOT NULL,
    region      TEXT NOT NULL,
    bucket      TEXT NOT NULL,
    access_key  TEXT NOT NULL,
    secret_key  BYTEA, -- sealed; null: none
    endpoint    TEXT NOT NULL, -- empty: AWS
    path_prefix TEXT NOT NULL
);

-- +goose Down
DROP TABLE media_buckets;
DROP TABLE media_files;
