-- name: CountInstancesNamed :one
SELECT COUNT(*) FROM instances WHERE account_id = @account_id AND name = @name;

-- name: CreateInstance :exec
INSERT INTO instances (
    id, account_id, name, token_hash, token,
    device_jid, lid, push_name, business_name, picture_url, logged_out,
    auto_reject_calls, call_reject_message, ignore_group_messages, keep_online_status,
    auto_read_messages, disable_history_sync, ignore_status,
    proxy_enabled, proxy_host, proxy_port, proxy_protocol, proxy_username, proxy_password,
    phone_seen, created_at, updated_at
) VALUES (
    @id, @account_id, @name, @token_hash, @token,
    @device_jid, @lid, @push_name, @business_name, @picture_url, @logged_out,
    @auto_reject_calls, @call_reject_message, @ignore_group_messages, @keep_online_status,
    @auto_read_messages, @disable_history_sync, @ignore_status,
    @proxy_enabled, @proxy_host, @proxy_port, @proxy_protocol, @proxy_username, @proxy_password,
    @phone_seen, @created_at, @updated_at
);

-- name: GetInstance :one
SELECT * FROM instances WHERE account_id = @account_id AND name = @name;

-- name: GetInstanceByTokenHash :one
SELECT * FROM instances WHERE token_hash = @token_hash;

-- name: ListInstances :many
SELECT * FROM instances WHERE account_id = @account_id;

-- name: ListAllInstances :many
SELECT * FROM instances;

-- name: UpdateSettings :execrows
UPDATE instances SET
    auto_reject_calls = @auto_reject_calls, call_reject_message = @call_reject_message,
    ignore_group_messages = @ignore_group_messages, keep_online_status = @keep_online_status,
    auto_read_messages = @auto_read_messages, disable_history_sync = @disable_history_sync,
    ignore_status = @ignore_status, updated_at = @updated_at
WHERE id = @id;

-- name: UpdateProxy :execrows
UPDATE instances SET
    proxy_enabled = @proxy_enabled, proxy_host = @proxy_host, proxy_port = @proxy_port,
    proxy_protocol = @proxy_protocol, proxy_username = @proxy_username,
    proxy_password = @proxy_password, updated_at = @updated_at
WHERE id = @id;

-- name: UpdateInstanceToken :execrows
UPDATE instances SET token_hash = @token_hash, token = @token, updated_at = @updated_at
WHERE id = @id;

-- name: UpdateLogin :execrows
UPDATE instances SET
    device_jid = @device_jid, lid = @lid, push_name = @push_name,
    business_name = @business_name, picture_url = @picture_url,
    logged_out = @logged_out, updated_at = @updated_at
WHERE id = @id;

-- name: UpdatePhoneSeen :execrows
UPDATE instances SET phone_seen = @phone_seen WHERE id = @id;

-- name: DeleteInstance :execrows
DELETE FROM instances WHERE id = @id;

-- name: TakeSequence :one
-- Takes count numbers and returns the last of them. The row's lock, held until
-- the commit, makes numbers and commits come in the same order.
UPDATE instances SET sequence = sequence + @count WHERE id = @id RETURNING sequence;

-- name: GetWebSocket :one
SELECT enabled, events, media_base64 FROM websocket_configs WHERE instance_id = @instance_id;

-- name: PutWebSocket :execrows
INSERT INTO websocket_configs (instance_id, enabled, events, media_base64)
SELECT i.id, @enabled, @events, @media_base64 FROM instances AS i WHERE i.id = @instance_id
ON CONFLICT (instance_id) DO UPDATE SET
    enabled = excluded.enabled, events = excluded.events, media_base64 = excluded.media_base64;
