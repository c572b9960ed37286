package walog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	waLog "go.mau.fi/whatsmeow/util/log"
)

// Observer is told of every warning and error that whatsmeow logs, with the
// unformatted arguments: some losses whatsmeow reports nowhere else. It returns
// true for a record that is not worth logging.
type Observer func(format string, args []any) (drop bool)

// Logger is a whatsmeow logger over slog.
type Logger struct {
	log     *slog.Logger
	observe Observer
	silent  bool // drops debug records: they are dumps of stanzas
}

var _ waLog.Logger = (*Logger)(nil)

// New returns a whatsmeow logger that writes to log. observe may be nil.
func New(log *slog.Logger, observe Observer) *Logger {
	return &Logger{log: log, observe: observe}
}

// Sub returns a logger for one module of the library. The modules Recv and Send
// dump whole stanzas, which hold personal data: their debug records are dropped.
func (l *Logger) Sub(module string) waLog.Logger {
	return &Logger{
		log:     l.log.With("module", module),
		observe: l.observe,
		silent:  l.silent || module == "Recv" || module == "Send",
	}
}

// Debugf implements waLog.Logger.
func (l *Logger) Debugf(format string, args ...any) {
	if !l.silent {
		l.write(slog.LevelDebug, format, args)
	}
}

// Infof implements waLog.Logger. What the library finds worth telling is detail
// to an operator: it is logged at debug level.
func (l *Logger) Infof(format string, args ...any) { l.write(slog.LevelDebug, format, args) }

// Warnf implements waLog.Logger.
func (l *Logger) Warnf(format string, args ...any) {
	if !l.dropped(format, args) {
		l.write(slog.LevelWarn, format, args)
	}
}

// Errorf implements waLog.Logger.
func (l *Logger) Errorf(format string, args ...any) {
	if !l.dropped(format, args) {
		l.write(slog.LevelError, format, args)
	}
}

func (l *Logger) dropped(format string, args []any) bool {
	return l.observe != nil && l.observe(format, args)
}

func (l *Logger) write(level slog.Level, format string, args []any) {
	ctx := context.Background() //nolint:forbidigo // the library logs without a context
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, withoutQueries(fmt.Sprintf(format, args...), args))
	}
}

// withoutQueries takes the queries of URLs out of a record: an error of package
// http repeats the whole URL, and those of files grant access.
func withoutQueries(record string, args []any) string {
	for _, arg := range args {
		err, ok := arg.(error)
		var of *url.Error
		if !ok || !errors.As(err, &of) {
			continue
		}
		if path, _, ok := strings.Cut(of.URL, "?"); ok {
			record = strings.ReplaceAll(record, of.URL, path)
		}
	}
	return record
}
