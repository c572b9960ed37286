package walog

import (
	"log/slog"
	"sync"

	"go.mau.fi/libsignal/logger"
)

var routeSignal sync.Once

// RouteSignal sends what libsignal would print on the console to log. The
// library has one logger for the process, so the first call wins.
func RouteSignal(log *slog.Logger) {
	routeSignal.Do(func() {
		var l logger.Loggable = signalLogger{log.With("module", "libsignal")}
		logger.Setup(&l)
	})
}

// signalLogger implements libsignal's logger. Its debug records may describe
// key material and are dropped. The rest is detail, even its errors: it logs one
// for each older session that does not fit a message, and what fails in the end
// is returned to whatsmeow and logged there.
type signalLogger struct{ log *slog.Logger }

func (s signalLogger) Debug(_, _ string)          {}
func (s signalLogger) Info(caller, msg string)    { s.log.Debug(msg, "caller", caller) }
func (s signalLogger) Warning(caller, msg string) { s.log.Debug(msg, "caller", caller) }
func (s signalLogger) Error(caller, msg string)   { s.log.Debug(msg, "caller", caller) }
func (s signalLogger) Configure(string)           {}
