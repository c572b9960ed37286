-- name: ListWebhooks :many
SELECT * FROM webhooks WHERE instance_id = @instance_id;

-- name: GetWebhook :one
SELECT * FROM webhooks WHERE id = @id;

-- name: GetWebhookLabelled :one
SELECT id FROM webhooks WHERE instance_id = @instance_id AND label = @label;

-- name: PutWebhook :exec
-- A generation never falls: a set that read the webhook before its receiver
-- disabled it must not bring back what that disabling buried.
INSERT INTO webhooks (
    id, instance_id, label, enabled, private, by_events, events, media_base64,
    secret_until, ordering, generation, paused, reason, failing_since
) VALUES (
    @id, @instance_id, @label, @enabled, @private, @by_events, @events, @media_base64,
    @secret_until, @ordering, @generation, @paused, @reason, @failing_since
)
ON CONFLICT (id) DO UPDATE SET
    label = excluded.label, enabled = excluded.enabled, private = excluded.private,
    by_events = excluded.by_events, events = excluded.events, media_base64 = excluded.media_base64,
    secret_until = excluded.secret_until, ordering = excluded.ordering,
    generation = CASE WHEN webhooks.generation > excluded.generation
        THEN webhooks.generation ELSE excluded.generation END,
    revision = webhooks.revision + 1,
    paused = excluded.paused, reason = excluded.reason,
    failing_since = excluded.failing_since;

-- name: GetLine :one
SELECT id, instance_id, enabled, paused, generation, revision, lease_owner FROM webhooks WHERE id = @id;

-- name: WakeLine :exec
-- After an event: a line that is due already, held by its first, or leased is
-- left alone.
UPDATE webhooks SET due_at = @now
WHERE id = @id AND lease_owner = '' AND NOT held AND NOT paused AND (due_at = 0 OR due_at > @now);

-- name: ScheduleLine :exec
UPDATE webhooks SET due_at = @due_at, held = @held, lease_owner = '', lease_until = 0 WHERE id = @id;

-- name: FreeExpiredLeases :exec
-- Such a line is still due.
UPDATE webhooks SET lease_owner = '', lease_until = 0 WHERE lease_owner <> '' AND lease_until <= @now;

-- name: ClaimFast :many
UPDATE webhooks SET lease_owner = @owner, lease_until = @until
WHERE webhooks.id IN (
    SELECT w.id FROM webhooks AS w
    WHERE w.lease_owner = '' AND w.failing_since = 0 AND NOT w.paused
        AND w.due_at > 0 AND w.due_at <= @now
    ORDER BY w.due_at LIMIT @step
)
RETURNING *;

-- name: ClaimSlow :many
UPDATE webhooks SET lease_owner = @owner, lease_until = @until
WHERE webhooks.id IN (
    SELECT w.id FROM webhooks AS w
    WHERE w.lease_owner = '' AND w.failing_since > 0 AND NOT w.paused
        AND w.due_at > 0 AND w.due_at <= @now
    ORDER BY w.due_at LIMIT @step
)
RETURNING *;

-- name: RenewLease :execrows
UPDATE webhooks SET lease_until = @until WHERE id = @id AND lease_owner = @owner;

-- name: NextDueFast :many
SELECT due_at FROM webhooks
WHERE lease_owner = '' AND failing_since = 0 AND due_at > 0 AND NOT paused ORDER BY due_at LIMIT 1;

-- name: NextDueSlow :many
SELECT due_at FROM webhooks
WHERE lease_owner = '' AND failing_since > 0 AND due_at > 0 AND NOT paused ORDER BY due_at LIMIT 1;

-- name: NextLeaseEnd :many
SELECT lease_until FROM webhooks WHERE lease_owner <> '' ORDER BY lease_until LIMIT 1;

-- name: SetHealth :exec
UPDATE webhooks SET failing_since = @failing_since, paused = @paused, reason = @reason WHERE id = @id;

-- name: DisableWebhook :exec
UPDATE webhooks SET enabled = FALSE, generation = generation + 1 WHERE id = @id;

-- name: ReleaseLeases :exec
UPDATE webhooks SET lease_owner = '', lease_until = 0 WHERE lease_owner = @owner;

-- name: HastenLines :exec
-- Each of these is looked at again.
UPDATE webhooks SET due_at = @now, held = FALSE WHERE lease_owner = '' AND due_at > @now;

-- name: ListPausedLines :many
SELECT id, instance_id FROM webhooks WHERE paused;

-- name: ListAllLines :many
SELECT id, instance_id, generation FROM webhooks;

-- name: ListDepths :many
SELECT w.id, w.enabled, w.paused, w.failing_since,
    (SELECT COUNT(*) FROM webhook_deliveries AS d WHERE d.webhook_id = w.id AND d.state = 'pending') AS depth
FROM webhooks AS w;
