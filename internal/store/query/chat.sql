-- name: GetMessage :one
-- An ID may occur in several chats; the newest is meant.
SELECT message_id, chat_key, sender_key, from_me, kind, body, sent_at, status, raw FROM messages
WHERE instance_id = @instance_id AND message_id = @message_id
ORDER BY sent_at DESC LIMIT 1;
