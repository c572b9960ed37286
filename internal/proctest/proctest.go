// Package proctest runs the real binary for tests: it builds it once, starts
// its servers, reads where they listen, and kills them.
package proctest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to say that it listens.
const patience = 30 * time.Second

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chasqui-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "chasqui")
	out, err := exec.Command("go", "build", "-o", path, "github.com/chasqui/chasqui/cmd/chasqui").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Binary returns the path of a freshly built chasqui.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Process is a running server.
type Process struct {
	URL    string
	t      testing.TB
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	rest   *bytes.Buffer // standard output after the first line
	exited chan error
	once   sync.Once
}

// Start runs the binary with args, waits for its "listening on" line, and kills
// it at the end of the test.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	return StartIn(t, "", nil, args...)
}

// StartIn is Start in the folder dir, "" being the test's own, with variables
// KEY=VALUE added to the environment.
func StartIn(t testing.TB, dir string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(Binary(t), args...), stderr: &bytes.Buffer{}, rest: &bytes.Buffer{}, exited: make(chan error, 1)}
	p.cmd.Stderr, p.cmd.Dir, p.cmd.Env = p.stderr, dir, append(os.Environ(), env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		text, _ := r.ReadString('\n')
		line <- text
		_, _ = io.Copy(p.rest, r)
		p.exited <- p.cmd.Wait()
	}()
	select {
	case text := <-line:
		_, url, ok := strings.Cut(strings.TrimSpace(text), "listening on ")
		if !ok {
			p.Kill()
			t.Fatalf("%v said %q instead of where it listens; standard error:\n%s", args, text, p.stderr)
		}
		p.URL = url
	case <-time.After(patience):
		t.Fatalf("%v did not say where it listens; standard error:\n%s", args, p.stderr)
	}
	return p
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// Kill ends the process with SIGKILL and waits for it; a second call does
// nothing.
func (p *Process) Kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		<-p.exited
	})
}

// Terminate sends SIGTERM and returns the exit code and standard error.
func (p *Process) Terminate() (code int, stderr string) {
	p.t.Helper()
	p.once.Do(func() {
		p.Signal(syscall.SIGTERM)
		<-p.exited
	})
	return p.cmd.ProcessState.ExitCode(), p.stderr.String()
}

// Wait waits for the process to end by itself and returns the exit code and
// standard error. One that goes on is killed, and the test fails.
func (p *Process) Wait() (code int, stderr string) {
	p.t.Helper()
	p.once.Do(func() {
		select {
		case <-p.exited:
		case <-time.After(patience):
			p.t.Error("the process did not end")
			_ = p.cmd.Process.Kill() // it may have ended just now
			<-p.exited
		}
	})
	return p.cmd.ProcessState.ExitCode(), p.stderr.String()
}

// Rest is what the process wrote to standard output after the line that says
// where it listens. It must have ended.
func (p *Process) Rest() string { return p.rest.String() }

// Do sends a request with a JSON body to the process and decodes the answer,
// which must be a success, into out unless that is nil.
func (p *Process) Do(method, path, token string, body, out any) {
	p.t.Helper()
	if err := p.Try(method, path, token, body, out); err != nil {
		p.t.Fatal(err)
	}
}

// Try is Do that returns what went wrong.
func (p *Process) Try(method, path, token string, body, out any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), method, p.URL+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	req.Header.Set("token", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
