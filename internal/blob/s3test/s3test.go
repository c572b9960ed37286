// Package s3test starts a real S3 server for tests: versitygw, which keeps its
// objects in a folder. It is built by `make test` and is no part of the module.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/media"
)

// The keys and the region of every server.
const (
	AccessKey = "chasqui-test-access"
	SecretKey = "chasqui-test-secret-key"
	Region    = "us-east-1"
)

// patience is how long a server may take to answer.
const patience = 30 * time.Second

// program is where `make test` puts the server, below the module's root.
const program = ".cache/tools/versitygw"

// Server is a running S3 server on a loopback port.
type Server struct {
	Endpoint string // http://127.0.0.1:port
	folder   string
}

// Start runs a server that ends with the test. Without the program the test is
// skipped, with the reason.
func Start(t testing.TB) *Server {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Skipf("no S3 server to test against (%v): make test builds it", err)
	}
	// The port is free when it is asked for, but another process may take it
	// before the server does; then the next one is tried.
	for range 5 {
		s := &Server{folder: t.TempDir()}
		address := freeAddress(t)
		s.Endpoint = "http://" + address
		if err = s.run(t, path, address); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// MakeBucket makes a bucket and returns the configuration to use it by.
func (s *Server) MakeBucket(t testing.TB, name string) media.BucketConfig {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.folder, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return media.BucketConfig{
		Enabled: true, Region: Region, Bucket: name, AccessKey: AccessKey, SecretKey: SecretKey, Endpoint: s.Endpoint,
	}
}

// find looks for the program from the test's folder upwards.
func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, program)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is missing", program)
		}
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts the program and waits until it answers.
func (s *Server) run(t testing.TB, path, address string) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var output bytes.Buffer
	// Attributes of objects go beside them: not every temporary folder can hold
	// extended attributes.
	cmd := exec.Command(path, "--port", address, "--access", AccessKey, "--secret", SecretKey, "--region", Region, "--quiet",
		"posix", "--sidecar", t.TempDir(), s.folder)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have exited
		<-exited
	})
	for {
		select {
		case <-exited:
			return fmt.Errorf("the S3 server exited: %s", output.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("the S3 server did not answer within %s", patience)
		case <-time.After(20 * time.Millisecond):
		}
		if answers(ctx, s.Endpoint) {
			return nil
		}
	}
}

// answers reports whether something speaks HTTP there; without keys S3 refuses.
func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.Header.Get("Server") == "VERSITYGW"
}
