-- name: GetFile :one
SELECT * FROM media_files
WHERE instance_id = @instance_id AND chat_key = @chat_key
    AND sender_key = @sender_key AND message_id = @message_id;

-- name: PutFile :exec
INSERT INTO media_files (
    instance_id, chat_key, sender_key, message_id, ref, state, place, object, size,
    attempts, next_at, reason, stored_at
) VALUES (
    @instance_id, @chat_key, @sender_key, @message_id, @ref, @state, @place, @object, @size,
    @attempts, @next_at, @reason, @stored_at
)
ON CONFLICT (instance_id, chat_key, sender_key, message_id) DO UPDATE SET
    ref = excluded.ref, state = excluded.state, place = excluded.place, object = excluded.object,
    size = excluded.size, attempts = excluded.attempts, next_at = excluded.next_at,
    reason = excluded.reason, stored_at = excluded.stored_at;

-- name: WantFile :exec
-- Leaves a file that is known alone.
INSERT INTO media_files (
    instance_id, chat_key, sender_key, message_id, ref, state, place, object, size,
    attempts, next_at, reason, stored_at
) VALUES (
    @instance_id, @chat_key, @sender_key, @message_id, @ref, 'wanted', '', '', 0, 0, @next_at, '', 0
)
ON CONFLICT (instance_id, chat_key, sender_key, message_id) DO NOTHING;

-- name: UpdateWantedFile :exec
UPDATE media_files SET state = @state, attempts = @attempts, next_at = @next_at, reason = @reason
WHERE instance_id = @instance_id AND chat_key = @chat_key
    AND sender_key = @sender_key AND message_id = @message_id AND media_files.state = 'wanted';

-- name: ListWantedFiles :many
SELECT * FROM media_files
WHERE state = 'wanted' AND next_at <= @now
ORDER BY next_at LIMIT @max_rows;

-- name: NextWantedFile :one
SELECT next_at FROM media_files
WHERE state = 'wanted' AND next_at > @now
ORDER BY next_at LIMIT 1;

-- name: ListFilesOnDisk :many
SELECT * FROM media_files
WHERE state = 'stored' AND place = 'disk' AND stored_at < @before
ORDER BY stored_at LIMIT @max_rows;

-- name: DeleteFile :exec
DELETE FROM media_files
WHERE instance_id = @instance_id AND chat_key = @chat_key
    AND sender_key = @sender_key AND message_id = @message_id;

-- name: SweepFilesInBucket :execrows
DELETE FROM media_files
WHERE (media_files.instance_id, media_files.chat_key, media_files.sender_key, media_files.message_id) IN (
    SELECT f.instance_id, f.chat_key, f.sender_key, f.message_id FROM media_files AS f
    WHERE f.state = 'stored' AND f.place = 's3' AND f.stored_at < @before
    ORDER BY f.stored_at LIMIT @step
);

-- name: SweepFailedFiles :execrows
DELETE FROM media_files
WHERE (media_files.instance_id, media_files.chat_key, media_files.sender_key, media_files.message_id) IN (
    SELECT f.instance_id, f.chat_key, f.sender_key, f.message_id FROM media_files AS f
    WHERE f.state = 'failed' AND f.next_at < @before
    ORDER BY f.next_at LIMIT @step
);

-- name: DeleteSomeFiles :execrows
DELETE FROM media_files
WHERE (media_files.instance_id, media_files.chat_key, media_files.sender_key, media_files.message_id) IN (
    SELECT f.instance_id, f.chat_key, f.sender_key, f.message_id FROM media_files AS f
    WHERE f.instance_id = @instance_id LIMIT @step
);

-- name: GetBucket :one
SELECT * FROM media_buckets WHERE instance_id = @instance_id;

-- name: PutBucket :execrows
INSERT INTO media_buckets (
    instance_id, enabled, region, bucket, access_key, secret_key, endpoint, path_prefix
)
SELECT i.id, @enabled, @region, @bucket, @access_key, @secret_key, @endpoint, @path_prefix
FROM instances AS i WHERE i.id = @instance_id
ON CONFLICT (instance_id) DO UPDATE SET
    enabled = excluded.enabled, region = excluded.region, bucket = excluded.bucket,
    access_key = excluded.access_key, secret_key = excluded.secret_key,
    endpoint = excluded.endpoint, path_prefix = excluded.path_prefix;
