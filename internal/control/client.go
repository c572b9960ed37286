package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/fault"
)

// ErrNoServer says that no server runs on the data folder.
var ErrNoServer = errors.New("no server is running on this data folder")

// Client gives the operator's commands to a running server.
type Client struct {
	http *http.Client
}

// Dial connects to the server on the data folder; ErrNoServer if there is none.
func Dial(ctx context.Context, data string) (*Client, error) {
	dial := func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
		path, release, err := socketAddress(filepath.Join(data, SocketName))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, release()) }()
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
	}
	probe, err := dial(ctx, "", "")
	if err != nil {
		return nil, ErrNoServer
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}, probe.Close()
}

// Create makes an account and returns its token.
func (c *Client) Create(ctx context.Context, name, token string, limit *int) (account.Account, string, error) {
	var out created
	err := c.call(ctx, http.MethodPost, "/accounts", request{Name: name, Token: token, Limit: limit}, &out)
	return out.Account, out.Token, err
}

// List returns the accounts with the number of their instances.
func (c *Client) List(ctx context.Context) ([]account.Summary, error) {
	var out []account.Summary
	err := c.call(ctx, http.MethodGet, "/accounts", request{}, &out)
	return out, err
}

// Rotate replaces an account's token and returns the new one.
func (c *Client) Rotate(ctx context.Context, name, token string) (string, error) {
	var out string
	err := c.call(ctx, http.MethodPost, "/accounts/"+url.PathEscape(name)+"/rotate", request{Token: token}, &out)
	return out, err
}

// SetLimit changes an account's quota; nil removes it.
func (c *Client) SetLimit(ctx context.Context, name string, limit *int) (account.Account, error) {
	var out account.Account
	err := c.call(ctx, http.MethodPost, "/accounts/"+url.PathEscape(name)+"/limit", request{Limit: limit}, &out)
	return out, err
}

// Delete removes an account after its instances, linked or not: the server can
// unlink them, so there is nothing to force.
func (c *Client) Delete(ctx context.Context, name string, _ bool) error {
	return c.call(ctx, http.MethodDelete, "/accounts/"+url.PathEscape(name), request{}, nil)
}

// Config returns the configuration in force, secrets redacted.
func (c *Client) Config(ctx context.Context) ([]config.Value, error) {
	var out []config.Value
	err := c.call(ctx, http.MethodGet, "/config", request{}, &out)
	return out, err
}

// FreeMemory makes the server collect garbage and give memory back.
func (c *Client) FreeMemory(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/memory/free", request{}, nil)
}

// Close releases the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) call(ctx context.Context, method, path string, in request, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(res.Body).Decode(&f); err != nil {
			return fmt.Errorf("control socket: status %d", res.StatusCode)
		}
		return fault.New(f.Kind, f.Message, f.Details...)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(out)
}
