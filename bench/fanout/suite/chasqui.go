package suite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const (
	accountToken = "benchmark-account-token"
	// instancePrefix and five digits are an instance's name.
	instancePrefix = "bench"
	portableEnv    = "CHASQUI_INJECT_PORTABLE=1"
	injectSocket   = "inject.sock"
)

// gatewayOptions are how a gateway is started.
type gatewayOptions struct {
	tls     bool
	network string // of another process; empty: its own
}

// startChasqui starts the real gateway, creates its instances with WebSockets on
// and opens the door for injected events.
func (s *setup) startChasqui(ctx context.Context, c Contender, instances int, opts gatewayOptions) (_ *server, err error) {
	dir, err := os.MkdirTemp("", "chasqui-fanout-")
	if err != nil {
		return nil, err
	}
	sv := &server{contender: c, connect: c.connect}
	closers := []func(){func() { _ = os.RemoveAll(dir) }} // temporary: the system clears what is left
	sv.close = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			sv.close()
		}
	}()
	args := []string{"sandbox", "--data", dir, "--listen", "127.0.0.1:0", "--account-token", accountToken, "--rate-limit", "0", "--log-format", "json"}
	if opts.network != "" {
		args = append(args, "--network", opts.network)
	}
	if opts.tls {
		cert, key, err := certificate(dir)
		if err != nil {
			return nil, err
		}
		args = append(args, "--tls-cert", cert, "--tls-key", key)
	}
	var env []string
	if c.portable {
		env = []string{portableEnv}
	}
	var url string
	if sv.process, url, err = startListening(ctx, s.serverCore, env, s.Chasqui, args...); err != nil {
		return nil, err
	}
	closers = append(closers, sv.stop)
	api := newAPI(url)
	for i := range instances {
		name := fmt.Sprintf("%s%05d", instancePrefix, i)
		if err := api.do(ctx, "POST", "/api/instance/new", object{"name": name, "websocketEnabled": true}, nil); err != nil {
			return nil, sv.failed(err)
		}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, injectSocket))
	if err != nil {
		return nil, fmt.Errorf("no injection: is the binary built with the tag chasqui_inject? %w", err)
	}
	closers = append(closers, func() { _ = conn.Close() })
	sv.link, sv.api, sv.data = newLink(conn, conn), api, dir
	_, sv.address, _ = strings.Cut(url, "://")
	sv.connect.Address, sv.connect.TLS = sv.address, opts.tls
	sv.connect.Path, sv.connect.Header = "/ws/"+instancePrefix+"%05d", map[string]string{"Token": accountToken}
	return sv, nil
}

// startListening starts one of the gateway's servers and returns where it
// listens.
func startListening(ctx context.Context, core int, env []string, binary string, args ...string) (*process, string, error) {
	p, err := start(ctx, core, env, binary, args...)
	if err != nil {
		return nil, "", err
	}
	out := bufio.NewReader(p.out)
	line, err := out.ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), "listening on ")
	if !ok {
		p.stop()
		return nil, "", p.failed(fmt.Errorf("%v said %q instead of where it listens: %w", args, line, errors.Join(err, errNoAddress)))
	}
	return p, url, nil
}

var errNoAddress = errors.New("no address")

type object = map[string]any

// api is the gateway's, or the simulated network's.
type api struct {
	url  string
	http *http.Client
}

func newAPI(url string) *api {
	return &api{url: url, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // our own server with a certificate of its own
	}}}
}

// do sends a request with a JSON body and decodes the answer, which must be a
// success, into out unless that is nil.
func (a *api) do(ctx context.Context, method, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Token", accountToken)
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
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
