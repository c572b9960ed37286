package script_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chasqui/chasqui/internal/proctest"
	"github.com/chasqui/chasqui/internal/webhook"
)

func (w *world) hook(ts *testscript.TestScript, _ bool, args []string) {
	env, args := variables(args)
	w.hooked = proctest.StartIn(w.t, ts.Getenv("WORK"), env, append([]string{"hook", "--listen", "127.0.0.1:0"}, args...)...)
	ts.Setenv("HOOK", w.hooked.URL)
	ts.Defer(w.hooked.Kill)
}

// hookAt finds a free port, for a receiver that says elsewhere where it listens.
func (w *world) hookAt(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], l.Addr().String())
	ts.Setenv("HOOK", "http://"+l.Addr().String())
}

// hookUp waits until something listens there.
func (w *world) hookUp(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", strings.TrimPrefix(ts.Getenv("HOOK"), "http://"))
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody listens: %v", err)
		}
		<-time.After(pause)
	}
}

func (w *world) deliver(ts *testscript.TestScript, neg bool, args []string) {
	id, body := args[0], strings.Join(args[1:], "")
	req, err := http.NewRequest(http.MethodPost, ts.Getenv("HOOK")+"/wh", strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(webhook.HeaderID, id)
	req.Header.Set(webhook.HeaderAttempt, "1")
	if secret := ts.Getenv("SECRET"); secret != "" {
		now := time.Now()
		signature, err := webhook.Sign([]string{secret}, id, now, strings.NewReader(body))
		ts.Check(err)
		req.Header.Set(webhook.HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
		req.Header.Set(webhook.HeaderSignature, signature)
	}
	res, err := client.Do(req)
	if err != nil {
		if !neg {
			ts.Fatalf("%s: %v", id, err)
		}
		_, err = io.WriteString(ts.Stderr(), err.Error()+"\n")
		ts.Check(err)
		return
	}
	defer res.Body.Close()
	_, err = io.WriteString(ts.Stderr(), res.Status+"\n")
	ts.Check(err)
	ts.Check(res.Header.Write(ts.Stderr()))
	_, err = io.Copy(ts.Stdout(), res.Body)
	ts.Check(err)
	if failed := res.StatusCode >= 300; failed != neg {
		ts.Fatalf("%s: %s", id, res.Status)
	}
}

func (w *world) hookStop(ts *testscript.TestScript, _ bool, _ []string) {
	w.hookOver(ts, w.hooked.Terminate)
}

func (w *world) hookEnds(ts *testscript.TestScript, _ bool, _ []string) {
	w.hookOver(ts, w.hooked.Wait)
}

func (w *world) hookOver(ts *testscript.TestScript, end func() (int, string)) {
	code, notes := end()
	_, err := io.WriteString(ts.Stderr(), notes)
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), w.hooked.Rest())
	ts.Check(err)
	if code != 0 {
		ts.Fatalf("exit code %d", code)
	}
}
