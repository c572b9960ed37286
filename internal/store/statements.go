package store

import (
	"context"
	"database/sql/driver"
	"errors"
)

// maxStatements bounds the prepared statements that a connection keeps. The
// queries of the gateway and of whatsmeow are fewer; those built at run time
// for lists of any length beyond it are prepared each time.
const maxStatements = 256

// statementCache is a connector whose connections prepare a query once and keep
// it. Without it database/sql has SQLite parse each query of whatsmeow's store
// anew; docs/benchmarks.md has the figures.
type statementCache struct{ driver.Connector }

// Connect implements driver.Connector.
func (s statementCache) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("store: the SQLite driver lacks an interface"), conn.Close())
	}
	return &cachingConn{sqliteConn: inner, statements: map[string]*statement{}}, nil
}

// sqliteConn is what database/sql uses of the driver's connection.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// cachingConn is used by one goroutine at a time, as database/sql guarantees.
type cachingConn struct {
	sqliteConn
	statements map[string]*statement
}

// statement is a kept statement; busy while rows of it are being read.
type statement struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	busy  bool
}

// ExecContext implements driver.ExecerContext.
func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	if s == nil || err != nil {
		return nil, orSkip(err)
	}
	return s.exec.ExecContext(unwatched(ctx), args)
}

// QueryContext implements driver.QueryerContext.
func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	if s == nil || err != nil {
		return nil, orSkip(err)
	}
	rows, err := s.query.QueryContext(unwatched(ctx), args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &keptRows{Rows: rows, of: s}, nil
}

// orSkip turns "no statement to use" into the answer that makes database/sql
// prepare the query itself.
func orSkip(err error) error {
	if err == nil {
		return driver.ErrSkip
	}
	return err
}

// unwatched takes the end off a context that has not ended: the driver would
// start a goroutine for each statement to watch it, and ours are short.
func unwatched(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// statement returns the kept statement of a query, or nil when there is none to
// use: it is busy, or there are too many.
func (c *cachingConn) statement(ctx context.Context, query string) (*statement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s, ok := c.statements[query]; ok {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if len(c.statements) >= maxStatements {
		return nil, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: prepared}
	var canExec, canQuery bool
	s.exec, canExec = prepared.(driver.StmtExecContext)
	s.query, canQuery = prepared.(driver.StmtQueryContext)
	if !canExec || !canQuery {
		return nil, prepared.Close()
	}
	c.statements[query] = s
	return s, nil
}

// Close lets go of the statements and then of the connection.
func (c *cachingConn) Close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	clear(c.statements)
	return errors.Join(append(errs, c.sqliteConn.Close())...)
}

// keptRows frees its statement for the next use when it is closed.
type keptRows struct {
	driver.Rows
	of *statement
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
