package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// gateway speaks to the gateway as any user would.
type gateway struct {
	url   string
	token string
}

// call sends a request and decodes the answer into out, which may be nil.
func (g gateway) call(ctx context.Context, method, path string, body, out any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, g.url+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	req.Header.Set("token", g.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(answer))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (g gateway) post(ctx context.Context, path string, body, out any) error {
	return g.call(ctx, http.MethodPost, path, body, out)
}

// socket returns the WebSocket address of an instance.
func (g gateway) socket(instance string) string {
	return "ws" + strings.TrimPrefix(g.url, "http") + "/ws/" + instance
}
