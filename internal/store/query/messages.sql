-- name: PutMessage :execrows
-- Affects no row for a repeat. The real message replaces a placeholder, once.
INSERT INTO messages (
    instance_id, message_id, chat_key, sender_key, from_me, kind, body, source,
    sent_at, stored_at, placeholder, raw
) VALUES (
    @instance_id, @message_id, @chat_key, @sender_key, @from_me, @kind, @body, @source,
    @sent_at, @stored_at, @placeholder, @raw
)
ON CONFLICT (instance_id, message_id, chat_key, sender_key) DO UPDATE SET
    from_me = excluded.from_me, kind = excluded.kind, body = excluded.body,
    source = excluded.source, sent_at = excluded.sent_at, placeholder = excluded.placeholder,
    raw = excluded.raw
WHERE messages.placeholder AND NOT excluded.placeholder;

-- name: RekeyMessage :exec
-- Gives a message that was stored under hidden identities the numbers that are
-- known now, so that it is found again.
UPDATE messages SET chat_key = @chat_key, sender_key = @sender_key
WHERE messages.instance_id = @instance_id AND messages.message_id = @message_id
    AND messages.chat_key = @chat_lid AND messages.sender_key = @sender_lid
    AND NOT EXISTS (
        SELECT 1 FROM messages AS m
        WHERE m.instance_id = @instance_id AND m.message_id = @message_id
            AND m.chat_key = @chat_key AND m.sender_key = @sender_key
    );

-- name: RaiseStatus :exec
UPDATE messages SET status = @status, status_at = @status_at
WHERE instance_id = @instance_id AND message_id = @message_id AND chat_key = @chat_key
    AND status < @status;

-- name: PutLabel :execrows
-- Affects no row when nothing changes.
INSERT INTO labels (instance_id, label_id, name, color, deleted)
VALUES (@instance_id, @label_id, @name, @color, @deleted)
ON CONFLICT (instance_id, label_id) DO UPDATE SET
    name = excluded.name, color = excluded.color, deleted = excluded.deleted
WHERE labels.name <> excluded.name OR labels.color <> excluded.color
    OR labels.deleted <> excluded.deleted;

-- name: PutLabelAssignment :execrows
-- Affects no row when nothing changes.
INSERT INTO label_assignments (instance_id, label_id, chat_jid, message_id, labeled)
VALUES (@instance_id, @label_id, @chat_jid, @message_id, @labeled)
ON CONFLICT (instance_id, label_id, chat_jid, message_id) DO UPDATE SET
    labeled = excluded.labeled
WHERE label_assignments.labeled <> excluded.labeled;

-- name: PutName :exec
INSERT INTO names (instance_id, jid, name) VALUES (@instance_id, @jid, @name)
ON CONFLICT (instance_id, jid) DO UPDATE SET name = excluded.name
WHERE names.name <> excluded.name;

-- name: GetName :one
SELECT name FROM names WHERE instance_id = @instance_id AND jid = @jid;

-- name: ListLabels :many
SELECT label_id, name, color, deleted FROM labels
WHERE instance_id = @instance_id ORDER BY label_id;

-- name: ListLabelAssignments :many
SELECT label_id, chat_jid, message_id, labeled FROM label_assignments
WHERE instance_id = @instance_id ORDER BY label_id, chat_jid, message_id;

-- name: GetQuote :one
-- An ID may occur in several chats; the newest is meant.
SELECT message_id, chat_key, sender_key, from_me, raw FROM messages
WHERE instance_id = @instance_id AND message_id = @message_id
ORDER BY sent_at DESC LIMIT 1;

-- name: GetStatus :one
SELECT status FROM messages
WHERE instance_id = @instance_id AND message_id = @message_id AND chat_key = @chat_key
ORDER BY sent_at DESC LIMIT 1;

-- name: CountMessages :one
SELECT COUNT(*) FROM messages WHERE instance_id = @instance_id;

-- name: SweepMessages :execrows
DELETE FROM messages
WHERE (messages.instance_id, messages.message_id, messages.chat_key, messages.sender_key) IN (
    SELECT m.instance_id, m.message_id, m.chat_key, m.sender_key FROM messages AS m
    WHERE m.stored_at < @before ORDER BY m.stored_at LIMIT @step
);

-- name: DeleteSomeMessages :execrows
DELETE FROM messages WHERE messages.instance_id = @instance_id AND messages.message_id IN (
    SELECT m.message_id FROM messages AS m WHERE m.instance_id = @instance_id LIMIT @step
);
