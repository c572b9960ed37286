-- name: CreateBody :exec
INSERT INTO webhook_bodies (instance_id, id, refs, filled, size, body, fill, source, created_at)
VALUES (@instance_id, @id, @refs, @filled, @size, @body, @fill, @source, @created_at);

-- name: CreateChunk :exec
INSERT INTO webhook_body_chunks (instance_id, body_id, fill, n, chunk)
VALUES (@instance_id, @body_id, @fill, @n, @chunk);

-- name: GetBody :one
SELECT filled, size, body, fill FROM webhook_bodies WHERE instance_id = @instance_id AND id = @id;

-- name: GetChunk :one
SELECT chunk FROM webhook_body_chunks
WHERE instance_id = @instance_id AND body_id = @body_id AND fill = @fill AND n = @n;

-- name: ListUnfilled :many
SELECT instance_id, id, body, source, created_at FROM webhook_bodies
WHERE NOT filled AND id > @after ORDER BY id LIMIT @step;

-- name: FillBody :execrows
UPDATE webhook_bodies SET filled = TRUE, size = @size, body = @body, fill = @fill, source = NULL
WHERE instance_id = @instance_id AND id = @id AND NOT filled;

-- name: DeleteOtherChunks :exec
DELETE FROM webhook_body_chunks
WHERE instance_id = @instance_id AND body_id = @body_id AND fill <> @fill;

-- name: DeleteChunks :exec
DELETE FROM webhook_body_chunks
WHERE instance_id = @instance_id AND body_id = @body_id AND fill = @fill;

-- name: DeleteSomeChunks :execrows
DELETE FROM webhook_body_chunks
WHERE webhook_body_chunks.instance_id = @instance_id AND webhook_body_chunks.body_id = @body_id
    AND (webhook_body_chunks.fill, webhook_body_chunks.n) IN (
        SELECT c.fill, c.n FROM webhook_body_chunks AS c
        WHERE c.instance_id = @instance_id AND c.body_id = @body_id LIMIT @step
    );

-- name: UnreferBody :exec
UPDATE webhook_bodies SET refs = refs - 1 WHERE instance_id = @instance_id AND id = @id;

-- name: DeleteUnusedBodies :exec
-- But for those in chunks, which take longer.
DELETE FROM webhook_bodies WHERE refs <= 0 AND fill = '';

-- name: ListUnusedBodies :many
SELECT instance_id, id FROM webhook_bodies WHERE refs <= 0 LIMIT @step;

-- name: ListBodies :many
SELECT id FROM webhook_bodies WHERE instance_id = @instance_id;

-- name: DeleteSomeBodies :execrows
-- But for those in chunks, which take longer.
DELETE FROM webhook_bodies WHERE webhook_bodies.instance_id = @instance_id AND webhook_bodies.id IN (
    SELECT b.id FROM webhook_bodies AS b WHERE b.instance_id = @instance_id AND b.fill = '' LIMIT @step
);

-- name: DeleteBody :exec
DELETE FROM webhook_bodies WHERE instance_id = @instance_id AND id = @id;
