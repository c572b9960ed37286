package walog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/libsignal/logger"

	"github.com/chasqui/chasqui/internal/wa/walog"
)

func buffered(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	return slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: level})), &buf
}

func TestStanzaDumpsAreNeverLogged(t *testing.T) {
	log, buf := buffered(slog.LevelDebug)
	root := walog.New(log, nil)
	root.Sub("Recv").Debugf("<message>%s</message>", "secret")
	root.Sub("Send").Sub("Deep").Debugf("<message>%s</message>", "secret")
	if got := buf.String(); got != "" {
		t.Errorf("logged a stanza: %s", got)
	}
	root.Sub("Recv").Warnf("odd frame")
	if got := buf.String(); !strings.Contains(got, "odd frame") || !strings.Contains(got, "module=Recv") {
		t.Errorf("warning of Recv = %q, want it with its module", got)
	}
}

// The library warns of failed downloads with the error of package http, which
// repeats the whole URL (whatsmeow:
// download-to-file.go/downloadPossiblyEncryptedMediaWithRetriesToFile).
func TestURLsLoseTheirQueries(t *testing.T) {
	log, buf := buffered(slog.LevelInfo)
	of := &url.Error{Op: "Get", URL: "https://mmg.example/v/file?auth=secret&hash=a%3D", Err: errors.New("connection reset")}
	walog.New(log, nil).Warnf("Failed to download media: %v, retrying in %s...", fmt.Errorf("host 2: %w", of), time.Second)
	want := `"Failed to download media: host 2: Get \"https://mmg.example/v/file\": connection reset, retrying in 1s..."`
	if got := buf.String(); strings.Contains(got, "secret") || !strings.Contains(got, want) {
		t.Errorf("logged %s, want %s", got, want)
	}
}

func TestLevels(t *testing.T) {
	log, buf := buffered(slog.LevelInfo)
	l := walog.New(log, nil)
	l.Debugf("a")
	l.Infof("b")
	if buf.Len() != 0 {
		t.Errorf("debug and info reached an operator's log: %s", buf)
	}
	l.Errorf("failed: %v", errors.New("boom"))
	if got := buf.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "failed: boom") {
		t.Errorf("error = %q", got)
	}
}

func TestObserverSeesArguments(t *testing.T) {
	log, buf := buffered(slog.LevelDebug)
	var seen []any
	l := walog.New(log, func(_ string, args []any) bool { seen = args; return len(args) == 1 })
	want := errors.New("old counter")
	l.Sub("Recv").Warnf("ignoring %s: %v", "id", want)
	if len(seen) != 2 || seen[1] != any(want) {
		t.Errorf("observer saw %v, want the error itself", seen)
	}
	l.Errorf("dropped: %v", want)
	if got := buf.String(); !strings.Contains(got, "ignoring id") || strings.Contains(got, "dropped") {
		t.Errorf("log = %q, want what the observer keeps", got)
	}
}

func TestContextLoggerReachesSlog(t *testing.T) {
	log, buf := buffered(slog.LevelWarn)
	ctx := walog.Context(context.Background(), log)
	zerolog.Ctx(ctx).Debug().Msg("detail")
	zerolog.Ctx(ctx).Err(errors.New("boom")).Str("message_id", "A1").Msg("not stored")
	got := buf.String()
	for _, want := range []string{"level=ERROR", `msg="not stored"`, "message_id=A1", "error=boom"} {
		if !strings.Contains(got, want) {
			t.Errorf("log = %q, want %s in it", got, want)
		}
	}
	if strings.Contains(got, "detail") {
		t.Errorf("log = %q, want no debug record", got)
	}
}

// signalOutput is where libsignal's log goes; the library has one logger for
// the process, so all runs of the test share it.
var signalOutput = sync.OnceValue(func() *bytes.Buffer {
	log, buf := buffered(slog.LevelDebug)
	walog.RouteSignal(log)
	return buf
})

func TestLibsignalIsRouted(t *testing.T) {
	buf := signalOutput()
	buf.Reset()
	logger.Error("ratchet broke")
	logger.Debug("chain key")
	if got := buf.String(); !strings.Contains(got, "ratchet broke") || strings.Contains(got, "chain key") {
		t.Errorf("log = %q, want the error without the debug record", got)
	}
}
