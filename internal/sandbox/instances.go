package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/chasqui/chasqui/internal/fault"
)

// resolveInstances replaces the instance that a body names by the QR code it
// shows (scan) or the device it is (unlink), so that next only knows networks.
func resolveInstances(known Resolver, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		field := instanceForm(r)
		if field == "" {
			next.ServeHTTP(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := resolve(r, known, field)
		if err != nil {
			writeFault(w, log, err)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// instanceForm is the field that a route's body has in place of instance, ""
// for a route without that form.
func instanceForm(r *http.Request) string {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/sandbox/phones/") {
		return ""
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/scan"):
		return "qrCode"
	case strings.HasSuffix(r.URL.Path, "/unlink"):
		return "device"
	default:
		return ""
	}
}

// resolve returns the body with the instance replaced.
func resolve(r *http.Request, known Resolver, field string) ([]byte, error) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if f.has("instance") {
		name := f.requiredText("instance")
		if f.has(field) {
			f.wrong("instance", "must not be given together with "+field)
		} else if known == nil {
			f.wrong("instance", "this network knows no instances: give "+field)
		}
		if err = f.err(); err != nil {
			return nil, err
		}
		value, err := lookUp(r.Context(), known, field, name)
		if err != nil {
			return nil, err
		}
		delete(f.fields, "instance")
		if f.fields[field], err = json.Marshal(value); err != nil {
			return nil, fault.Wrap(fault.Internal, fault.MsgInternal, err)
		}
	}
	return json.Marshal(f.fields)
}

func lookUp(ctx context.Context, known Resolver, field, name string) (string, error) {
	if field == "device" {
		return known.DeviceJID(ctx, name)
	}
	return known.QRCode(ctx, name)
}
