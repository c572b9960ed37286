// Package script_test plays the scripts in testdata over the real binary. Verbs
// beside testscript's own:
//
//	chasqui ARGS...            run the binary
//	code N ARGS...             run the binary, which must end with exit code N
//	sandbox [ARGS...]          start a sandbox gateway; sets $URL
//	start [KEY=VALUE...] ARGS...  start any server of the binary, with these
//	                           variables; sets $URL
//	network [KEY=VALUE...] [ARGS...]  start a simulated network; sets $NETWORK
//	stop [N]                   SIGTERM; must end within 15 s with exit code N (0),
//	                           having said nothing more on standard output; its
//	                           log is stderr
//	hangup                     SIGHUP
//	kill                       SIGTERM twice: must end with exit code 1 at once
//	certificate NAME CERT KEY  make a certificate and its key
//	certificateis NAME         wait until the server presents that certificate
//	curl METHOD PATH [JSON]    ask the gateway, with $TOKEN; the answer is stdout,
//	                           status line and headers are stderr
//	later METHOD PATH [JSON]   curl in the background, once it has been sent
//	answered                   wait for its answer, which is stdout
//	header NAME [VALUE]        send a header with every request from now on
//	save VAR FIELD             put a string of the last answer into $VAR
//	until PATH PATTERN...      GET until the answer matches all the patterns
//	phone NUMBER PATH [JSON]   POST /sandbox/phones/NUMBER/PATH
//	ws INSTANCE                open the WebSocket
//	expect EVENT TEXT...       wait for a frame of that type with all the texts
//	closed CODE                wait until the WebSocket was closed with that code
//	hidden TEXT...             stop; fail if $TOKEN or a text is in the log
//	hook [KEY=VALUE...] [ARGS...]  start a webhook receiver; sets $HOOK
//	hookat VAR                 put a free address into $VAR, and its URL into $HOOK
//	hookup                     wait until a receiver listens at $HOOK
//	deliver ID JSON            POST to $HOOK as the gateway does, signed with $SECRET
//	                           if that is set; the answer is stdout, status line
//	                           and headers are stderr
//	hookstop                   SIGTERM to it; must end with exit code 0; what it
//	                           wrote is stdout and stderr
//	hookends                   the same for one that ends by itself
package script_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chasqui/chasqui/internal/proctest"
)

// token is the first value of $TOKEN in every script.
const token = "script-account-token"

// world is what the verbs of one script share.
type world struct {
	t       *testing.T
	process *proctest.Process // the server that curl speaks to
	network *proctest.Process
	headers http.Header
	answer  []byte // the last one
	socket  *websocket.Conn
	frames  [][]byte
	pending chan string // the answer to later
	hooked  *proctest.Process
}

func TestScripts(t *testing.T) {
	binary := proctest.Binary(t)
	type key struct{}
	verb := func(do func(*world, *testscript.TestScript, bool, []string)) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			do(ts.Value(key{}).(*world), ts, neg, args)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Values[key{}] = &world{t: t, headers: http.Header{}}
			env.Setenv("TOKEN", token)
			env.Setenv("PATH", filepath.Dir(binary)+":"+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"chasqui":       chasqui,
			"code":          code,
			"certificate":   certificate,
			"certificateis": verb((*world).certificateIs),
			"sandbox":       verb((*world).sandbox),
			"start":         verb((*world).start),
			"network":       verb((*world).startNetwork),
			"stop":          verb((*world).stop),
			"hangup":        verb((*world).hangup),
			"curl":          verb((*world).curl),
			"later":         verb((*world).later),
			"answered":      verb((*world).answered),
			"kill":          verb((*world).kill),
			"header":        verb((*world).header),
			"save":          verb((*world).save),
			"until":         verb((*world).until),
			"phone":         verb((*world).phone),
			"ws":            verb((*world).ws),
			"expect":        verb((*world).expect),
			"closed":        verb((*world).closed),
			"hidden":        verb((*world).hidden),
			"hook":          verb((*world).hook),
			"hookat":        verb((*world).hookAt),
			"hookup":        verb((*world).hookUp),
			"deliver":       verb((*world).deliver),
			"hookstop":      verb((*world).hookStop),
			"hookends":      verb((*world).hookEnds),
		},
	})
}
