// Package store owns everything that is kept in SQL: the schema, the queries
// and the one *DB that satisfies the Store interface of each domain package.
//
// It must not decide anything that the domain decides: it enforces what only a
// transaction can (unique names and tokens, quotas, one record per message, the
// sequence of events) and answers with the faults of the domain.
//
// # One writer
//
// SQLite lets one connection write at a time, and makes others wait by sleeping
// in steps of up to 100 ms. So there is a single write connection in the
// process, shared with whatsmeow's tables (see DB.WhatsApp), and everybody waits
// for it in Go and is woken at once. Our own reads have connections of their
// own, which never wait for the writer (WAL) and see every commit that came
// before them.
//
// # Queries
//
// The SQL stands in query/ and is compiled by sqlc into sqlgen/. It is written
// for Postgres and runs on SQLite unchanged, the schema included. After a change
// there, run make generate.
package store
