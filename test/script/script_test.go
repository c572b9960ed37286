// Package script_test plays the scripts in testdata over the real binary. Verbs
// beside testscript's own:
//
//	chasqui ARGS...            run the binary
//	sandbox [ARGS...]          start a sandbox gateway; sets $URL and $TOKEN
//	curl METHOD PATH [JSON]    ask the gateway, with $TOKEN; the answer is stdout
//	phone NUMBER PATH [JSON]   POST /sandbox/phones/NUMBER/PATH
//	ws INSTANCE                open the WebSocket
//	expect EVENT TEXT...       wait for a frame of that type with all the texts
//	hidden                     fail if $TOKEN is in the sandbox's log
package script_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chasqui/chasqui/internal/proctest"
)

const (
	token    = "script-account-token"
	patience = 20 * time.Second
)

// world is what the verbs of one script share.
type world struct {
	t       *testing.T
	process *proctest.Process
	socket  *websocket.Conn
	frames  [][]byte
}

func TestScripts(t *testing.T) {
	binary := proctest.Binary(t)
	worlds := map[string]*world{}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			worlds[env.WorkDir] = &world{t: t}
			env.Setenv("TOKEN", token)
			env.Setenv("PATH", filepath.Dir(binary)+":"+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"chasqui": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec(binary, args...)
				if (err != nil) != neg {
					ts.Fatalf("chasqui %v: %v", args, err)
				}
			},
			"sandbox": verb(worlds, (*world).sandbox),
			"curl":    verb(worlds, (*world).curl),
			"phone":   verb(worlds, (*world).phone),
			"ws":      verb(worlds, (*world).ws),
			"expect":  verb(worlds, (*world).expect),
			"hidden":  verb(worlds, (*world).hidden),
		},
	})
}

func verb(worlds map[string]*world, do func(*world, *testscript.TestScript, bool, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		do(worlds[ts.Getenv("WORK")], ts, neg, args)
	}
}

func (w *world) sandbox(ts *testscript.TestScript, _ bool, args []string) {
	if w.process != nil {
		w.process.Kill()
	}
	flags := []string{"sandbox", "--listen", "127.0.0.1:0", "--data", ts.MkAbs("data"), "--account-token", token, "--rate-limit", "0"}
	w.process = proctest.Start(w.t, append(flags, args...)...)
	ts.Setenv("URL", w.process.URL)
	ts.Defer(w.process.Kill)
}

func (w *world) curl(ts *testscript.TestScript, neg bool, args []string) {
	body := ""
	if len(args) > 2 {
		body = args[2]
	}
	req, err := http.NewRequest(args[0], w.process.URL+args[1], strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("token", ts.Getenv("TOKEN"))
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(append(answer, '\n'))
	ts.Check(err)
	if failed := res.StatusCode >= 300; failed != neg {
		ts.Fatalf("%s %s: %s: %s", args[0], args[1], res.Status, answer)
	}
}

func (w *world) phone(ts *testscript.TestScript, neg bool, args []string) {
	w.curl(ts, neg, append([]string{"POST", "/sandbox/phones/" + args[0] + "/" + args[1]}, args[2:]...))
}

func (w *world) ws(ts *testscript.TestScript, _ bool, args []string) {
	url := "ws" + strings.TrimPrefix(w.process.URL, "http") + "/ws/" + args[0]
	conn, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Token": {token}}})
	ts.Check(err)
	conn.SetReadLimit(64 << 20)
	w.socket, w.frames = conn, nil
	ts.Defer(func() { _ = conn.CloseNow() })
}

func (w *world) expect(ts *testscript.TestScript, _ bool, args []string) {
	for i, f := range w.frames {
		if matches(f, args) {
			w.frames = append(w.frames[:i:i], w.frames[i+1:]...)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, f, err := w.socket.Read(ctx)
		if err != nil {
			ts.Fatalf("no frame %v: %v; seen:\n%s", args, err, bytes.Join(w.frames, []byte("\n")))
		}
		if matches(f, args) {
			return
		}
		w.frames = append(w.frames, f)
	}
}

func matches(frame []byte, args []string) bool {
	var head struct {
		Event string `json:"event"`
	}
	if json.Unmarshal(frame, &head) != nil || head.Event != args[0] {
		return false
	}
	for _, text := range args[1:] {
		if !bytes.Contains(frame, []byte(text)) {
			return false
		}
	}
	return true
}

func (w *world) hidden(ts *testscript.TestScript, _ bool, _ []string) {
	if _, log := w.process.Terminate(); strings.Contains(log, token) {
		ts.Fatalf("the log holds the token:\n%s", log)
	}
}
