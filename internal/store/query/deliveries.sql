-- name: CreateDelivery :exec
INSERT INTO webhook_deliveries (
    instance_id, id, webhook_id, generation, body_id, event, event_id, sequence,
    chat_key, waiting, parked, state, created_at, queued_at
) VALUES (
    @instance_id, @id, @webhook_id, @generation, @body_id, @event, @event_id, @sequence,
    @chat_key, @waiting, FALSE, 'pending', @created_at, @created_at
);

-- name: AnyWaiting :many
SELECT id FROM webhook_deliveries WHERE waiting AND instance_id = @instance_id LIMIT 1;

-- name: AnyWaitingAnywhere :many
SELECT id FROM webhook_deliveries WHERE waiting LIMIT 1;

-- name: WaitingInChat :many
SELECT id FROM webhook_deliveries
WHERE waiting AND webhook_id = @webhook_id AND chat_key = @chat_key AND state = 'pending' AND NOT parked
LIMIT 1;

-- name: ListLine :many
SELECT d.id, d.event, d.event_id, d.sequence, d.failures, d.event_failures, d.first_attempt,
    d.next_at, d.body_id, b.size, b.body
FROM webhook_deliveries AS d
JOIN webhook_bodies AS b ON b.instance_id = d.instance_id AND b.id = d.body_id
WHERE d.webhook_id = @webhook_id AND d.generation = @generation AND d.state = 'pending'
    AND d.parked = FALSE AND d.waiting = FALSE
ORDER BY d.sequence LIMIT @step;

-- name: ListParked :many
SELECT d.id, d.event, d.event_id, d.sequence, d.failures, d.event_failures, d.first_attempt,
    d.next_at, d.body_id, b.size, b.body
FROM webhook_deliveries AS d
JOIN webhook_bodies AS b ON b.instance_id = d.instance_id AND b.id = d.body_id
WHERE d.webhook_id = @webhook_id AND d.generation = @generation AND d.state = 'pending'
    AND d.parked AND NOT d.waiting AND d.next_at <= @now
ORDER BY d.next_at, d.sequence LIMIT @step;

-- name: FirstInLine :many
SELECT id, next_at, attempted_at FROM webhook_deliveries
WHERE webhook_id = @webhook_id AND generation = @generation AND state = 'pending'
    AND parked = FALSE AND waiting = FALSE
ORDER BY sequence LIMIT 1;

-- name: NextParked :many
SELECT next_at FROM webhook_deliveries
WHERE webhook_id = @webhook_id AND generation = @generation AND state = 'pending'
    AND parked AND NOT waiting AND next_at > @after
ORDER BY next_at LIMIT 1;

-- name: BuryDeliveries :execrows
UPDATE webhook_deliveries SET state = 'dead', reason = @reason, finished_at = @now, next_at = 0
WHERE webhook_deliveries.instance_id = @instance_id AND webhook_deliveries.id IN (
    SELECT d.id FROM webhook_deliveries AS d
    WHERE d.webhook_id = @webhook_id AND d.generation < @generation AND d.state = 'pending'
    LIMIT @step
);

-- name: HastenDelivery :exec
UPDATE webhook_deliveries SET next_at = @now
WHERE instance_id = @instance_id AND id = @id AND state = 'pending';

-- name: HastenParked :exec
-- Those whose last attempt lies in the future: the clock was set back.
UPDATE webhook_deliveries SET next_at = @now
WHERE webhook_id = @webhook_id AND generation = @generation AND state = 'pending'
    AND parked AND NOT waiting AND next_at > @now AND attempted_at > @now;

-- name: SettleDelivery :execrows
-- Without known it wants a delivery that has no attempts yet.
UPDATE webhook_deliveries SET
    state = @state, reason = @reason, parked = @parked, failures = @failures,
    event_failures = @event_failures, first_attempt = @first_attempt, attempted_at = @now,
    next_at = @next_at, finished_at = @finished_at, attempts = @attempts
WHERE instance_id = @instance_id AND id = @id AND webhook_id = @webhook_id AND state = 'pending'
    AND (attempts IS NULL OR CAST(@known AS BOOLEAN));

-- name: GetAttempts :one
SELECT attempts FROM webhook_deliveries
WHERE instance_id = @instance_id AND id = @id AND webhook_id = @webhook_id AND state = 'pending';

-- name: GetDelivery :one
SELECT webhook_id, state FROM webhook_deliveries WHERE instance_id = @instance_id AND id = @id;

-- name: RequeueDelivery :exec
UPDATE webhook_deliveries SET
    state = 'pending', reason = '', parked = TRUE, generation = @generation, failures = 0,
    event_failures = 0, first_attempt = 0, next_at = @now, queued_at = @now, finished_at = 0
WHERE instance_id = @instance_id AND id = @id AND state <> 'pending';

-- name: RequeueDead :execrows
UPDATE webhook_deliveries SET
    state = 'pending', reason = '', parked = TRUE, generation = @generation, failures = 0,
    event_failures = 0, first_attempt = 0, next_at = @now, queued_at = @now, finished_at = 0
WHERE webhook_deliveries.instance_id = @instance_id AND webhook_deliveries.id IN (
    SELECT d.id FROM webhook_deliveries AS d
    WHERE d.webhook_id = @webhook_id AND d.state = 'dead'
    ORDER BY d.id LIMIT @step
);

-- name: ListDeliveries :many
SELECT d.id, d.webhook_id, w.label, d.event, d.event_id, d.sequence, d.state, d.reason,
    d.created_at, d.next_at, d.attempts
FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
WHERE d.instance_id = @instance_id AND d.id < @before AND d.id >= @lowest
    AND (d.webhook_id = @webhook_id OR CAST(@webhook_id AS TEXT) = '')
    AND (d.state = @state OR CAST(@state AS TEXT) = '')
    AND (d.event = @event OR CAST(@event AS TEXT) = '')
ORDER BY d.id DESC LIMIT @step;

-- name: ListDeadDeliveries :many
-- The same for dead ones, which are few among many.
SELECT d.id, d.webhook_id, w.label, d.event, d.event_id, d.sequence, d.state, d.reason,
    d.created_at, d.next_at, d.attempts
FROM webhook_deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
WHERE d.instance_id = @instance_id AND d.id < @before AND d.id >= @lowest AND d.state = 'dead'
    AND (d.webhook_id = @webhook_id OR CAST(@webhook_id AS TEXT) = '')
    AND (d.event = @event OR CAST(@event AS TEXT) = '')
ORDER BY d.id DESC LIMIT @step;

-- name: ListPendingDeliveries :many
-- The same for pending ones, by way of the lines: for when they are few.
SELECT d.id, d.webhook_id, w.label, d.event, d.event_id, d.sequence, d.state, d.reason,
    d.created_at, d.next_at, d.attempts
FROM webhooks AS w CROSS JOIN webhook_deliveries AS d
WHERE w.instance_id = @instance_id AND d.webhook_id = w.id AND d.id < @before AND d.state = 'pending'
    AND (d.webhook_id = @webhook_id OR CAST(@webhook_id AS TEXT) = '')
    AND (d.event = @event OR CAST(@event AS TEXT) = '')
ORDER BY d.id DESC LIMIT @step;

-- name: CountPending :one
-- No further than limit.
SELECT COUNT(*) FROM (
    SELECT 1 FROM webhooks AS w CROSS JOIN webhook_deliveries AS d
    WHERE w.instance_id = @instance_id AND d.webhook_id = w.id AND d.state = 'pending' LIMIT @step
) AS counted;

-- name: NthDelivery :many
-- The one so many places behind another, newest first.
SELECT id FROM webhook_deliveries
WHERE instance_id = @instance_id AND id < @before ORDER BY id DESC LIMIT 1 OFFSET @places;

-- name: NthDeadDelivery :many
SELECT id FROM webhook_deliveries
WHERE instance_id = @instance_id AND id < @before AND state = 'dead' ORDER BY id DESC LIMIT 1 OFFSET @places;

-- name: ListWaitingFor :many
SELECT DISTINCT webhook_id, chat_key FROM webhook_deliveries
WHERE waiting AND instance_id = @instance_id AND body_id = @body_id;

-- name: FirstUnfilled :many
-- The first of a chat that has to wait for its own body.
SELECT d.sequence FROM webhook_deliveries AS d
JOIN webhook_bodies AS b ON b.instance_id = d.instance_id AND b.id = d.body_id
WHERE d.waiting AND d.webhook_id = @webhook_id AND d.chat_key = @chat_key
    AND d.state = 'pending' AND NOT d.parked AND NOT b.filled
ORDER BY d.sequence LIMIT 1;

-- name: ReleaseWaiting :execrows
UPDATE webhook_deliveries SET waiting = FALSE
WHERE waiting AND webhook_id = @webhook_id AND chat_key = @chat_key AND (parked OR sequence < @before)
    AND EXISTS (
        SELECT 1 FROM webhook_bodies AS b
        WHERE b.instance_id = webhook_deliveries.instance_id AND b.id = webhook_deliveries.body_id AND b.filled
    );

-- name: SweepDeliveries :many
DELETE FROM webhook_deliveries
WHERE (webhook_deliveries.instance_id, webhook_deliveries.id) IN (
    SELECT d.instance_id, d.id FROM webhook_deliveries AS d
    WHERE d.state = @state AND d.finished_at > 0 AND d.finished_at < @before AND NOT d.waiting
    ORDER BY d.finished_at LIMIT @step
)
RETURNING instance_id, body_id;

-- name: ListStale :many
SELECT id FROM webhook_deliveries
WHERE webhook_id = @webhook_id AND state = 'pending' AND queued_at < @before LIMIT @step;

-- name: GiveUpDelivery :execrows
UPDATE webhook_deliveries SET state = 'dead', reason = @reason, finished_at = @now, next_at = 0
WHERE webhook_deliveries.instance_id = @instance_id AND webhook_deliveries.id = @id
    AND webhook_deliveries.state = 'pending' AND EXISTS (
        SELECT 1 FROM webhooks AS w WHERE w.id = webhook_deliveries.webhook_id AND w.paused
    );

-- name: OldestPending :many
SELECT created_at FROM webhook_deliveries
WHERE webhook_id = @webhook_id AND state = 'pending'
ORDER BY webhook_id, generation, parked, waiting, sequence LIMIT 1;

-- name: DeleteSomeDeliveries :execrows
DELETE FROM webhook_deliveries WHERE webhook_deliveries.instance_id = @instance_id AND webhook_deliveries.id IN (
    SELECT d.id FROM webhook_deliveries AS d WHERE d.instance_id = @instance_id LIMIT @step
);
