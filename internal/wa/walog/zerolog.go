package walog

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/rs/zerolog"
)

// Context returns ctx carrying a zerolog logger that writes to log: in places
// whatsmeow logs through the logger it finds in its context.
func Context(ctx context.Context, log *slog.Logger) context.Context {
	level := zerolog.WarnLevel
	if log.Enabled(ctx, slog.LevelDebug) {
		level = zerolog.DebugLevel
	}
	return zerolog.New(bridge{log}).Level(level).WithContext(ctx)
}

// bridge turns zerolog's JSON lines into slog records.
type bridge struct{ log *slog.Logger }

// Write implements io.Writer for records without a level.
func (b bridge) Write(line []byte) (int, error) { return b.WriteLevel(zerolog.InfoLevel, line) }

// WriteLevel implements zerolog.LevelWriter.
func (b bridge) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return 0, err
	}
	message, _ := fields[zerolog.MessageFieldName].(string)
	delete(fields, zerolog.MessageFieldName)
	delete(fields, zerolog.LevelFieldName)
	attrs := make([]slog.Attr, 0, len(fields))
	for key, value := range fields {
		attrs = append(attrs, slog.Any(key, value))
	}
	ctx := context.Background() //nolint:forbidigo // the library logs without a context
	b.log.LogAttrs(ctx, slogLevel(level), message, attrs...)
	return len(line), nil
}

// slogLevel maps levels as Logger does: the library's info is our debug.
func slogLevel(level zerolog.Level) slog.Level {
	switch {
	case level >= zerolog.ErrorLevel && level <= zerolog.PanicLevel:
		return slog.LevelError
	case level == zerolog.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}
