package script_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chasqui/chasqui/internal/proctest"
)

// stopTime is how long a clean stop may take.
const stopTime = 15 * time.Second

func chasqui(ts *testscript.TestScript, neg bool, args []string) {
	if err := ts.Exec("chasqui", args...); (err != nil) != neg {
		ts.Fatalf("chasqui %v: %v", args, err)
	}
}

func code(ts *testscript.TestScript, _ bool, args []string) {
	want, got := number(ts, args[0]), 0
	err := ts.Exec("chasqui", args[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("chasqui %v: exit code %d, want %d", args[1:], got, want)
	}
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

func (w *world) sandbox(ts *testscript.TestScript, neg bool, args []string) {
	flags := []string{"sandbox", "--listen", "127.0.0.1:0", "--data", ts.MkAbs("data"), "--account-token", token, "--rate-limit", "0"}
	w.start(ts, neg, append(flags, args...))
}

func (w *world) start(ts *testscript.TestScript, _ bool, args []string) {
	if w.process != nil {
		w.process.Kill()
	}
	env, args := variables(args)
	w.process = proctest.StartIn(w.t, ts.Getenv("WORK"), env, args...)
	ts.Setenv("URL", w.process.URL)
	ts.Defer(w.process.Kill)
}

// variables splits off the KEY=VALUE at the beginning.
func variables(args []string) (env, rest []string) {
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	return env, args
}

func (w *world) startNetwork(ts *testscript.TestScript, _ bool, args []string) {
	env, args := variables(args)
	w.network = proctest.StartIn(w.t, ts.Getenv("WORK"), env, append([]string{"network"}, args...)...)
	ts.Setenv("NETWORK", w.network.URL)
	ts.Defer(w.network.Kill)
}

func (w *world) stop(ts *testscript.TestScript, _ bool, args []string) {
	want := 0
	if len(args) > 0 {
		want = number(ts, args[0])
	}
	began := time.Now()
	got, log := w.process.Terminate()
	if took := time.Since(began); took > stopTime {
		ts.Fatalf("stopping took %s", took)
	}
	_, err := ts.Stderr().Write([]byte(log))
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit code %d, want %d; log:\n%s", got, want, log)
	}
	if more := w.process.Rest(); more != "" {
		ts.Fatalf("more than one line on standard output: %s", more)
	}
}

// kill sends the second signal when the first has closed the port.
func (w *world) kill(ts *testscript.TestScript, _ bool, _ []string) {
	w.process.Signal(syscall.SIGTERM)
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.process.URL, "http://"))
		if err != nil {
			break
		}
		ts.Check(conn.Close())
		if time.Now().After(deadline) {
			ts.Fatalf("SIGTERM did not close the port")
		}
	}
	began := time.Now()
	if got, _ := w.process.Terminate(); got != 1 {
		ts.Fatalf("exit code %d, want 1", got)
	}
	if took := time.Since(began); took > 2*time.Second {
		ts.Fatalf("the second signal took %s", took)
	}
}

func (w *world) hangup(*testscript.TestScript, bool, []string) { w.process.Signal(syscall.SIGHUP) }

func (w *world) hidden(ts *testscript.TestScript, _ bool, args []string) {
	_, log := w.process.Terminate()
	for _, secret := range append(args, token) {
		if strings.Contains(log, secret) {
			ts.Fatalf("the log holds %q:\n%s", secret, log)
		}
	}
}

// certificate makes a self-signed one for 127.0.0.1.
func certificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: args[0]}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// certificateIs waits until the server presents the certificate of that name.
func (w *world) certificateIs(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(patience); ; {
		res, _ := w.ask(ts, "GET", "/health", "")
		if res.TLS.PeerCertificates[0].Subject.CommonName == args[0] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the certificate is still %s", res.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}
}
