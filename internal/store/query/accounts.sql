-- name: GetMeta :one
SELECT value FROM meta WHERE key = @key;

-- name: PutMeta :exec
INSERT INTO meta (key, value) VALUES (@key, @value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: CountAccountsNamed :one
SELECT COUNT(*) FROM accounts WHERE name = @name;

-- name: CountOtherAccountsWithToken :one
SELECT COUNT(*) FROM accounts WHERE token_hash = @token_hash AND id <> @id;

-- name: CountOtherInstancesWithToken :one
SELECT COUNT(*) FROM instances WHERE token_hash = @token_hash AND id <> @id;

-- name: CreateAccount :exec
INSERT INTO accounts (id, name, token_hash, instance_limit, created_at, updated_at)
VALUES (@id, @name, @token_hash, @instance_limit, @created_at, @updated_at);

-- name: GetAccount :one
SELECT * FROM accounts WHERE name = @name;

-- name: GetAccountByID :one
SELECT * FROM accounts WHERE id = @id;

-- name: GetAccountByTokenHash :one
SELECT * FROM accounts WHERE token_hash = @token_hash;

-- name: ListAccounts :many
SELECT * FROM accounts;

-- name: LockAccount :execrows
-- Takes the row's lock until the transaction ends, in both dialects.
UPDATE accounts SET id = id WHERE id = @id;

-- name: UpdateAccountToken :execrows
UPDATE accounts SET token_hash = @token_hash, updated_at = @updated_at WHERE id = @id;

-- name: UpdateAccountLimit :execrows
UPDATE accounts SET instance_limit = @instance_limit, updated_at = @updated_at WHERE id = @id;

-- name: DeleteAccount :execrows
DELETE FROM accounts WHERE id = @id;

-- name: CountInstances :one
SELECT COUNT(*) FROM instances WHERE account_id = @account_id;
