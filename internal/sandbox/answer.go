package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/wasim"
)

// maxBody is the largest body: a file of 64 MiB as base64, and what goes around
// it.
const maxBody = 96 << 20

var statuses = map[fault.Kind]int{
	fault.Internal: http.StatusInternalServerError, fault.Invalid: http.StatusBadRequest,
	fault.Unauthorized: http.StatusUnauthorized, fault.Forbidden: http.StatusForbidden,
	fault.NotFound: http.StatusNotFound, fault.MethodNotAllowed: http.StatusMethodNotAllowed,
	fault.Conflict: http.StatusConflict, fault.Gone: http.StatusGone,
	fault.TooLarge: http.StatusRequestEntityTooLarge, fault.RateLimited: http.StatusTooManyRequests,
	fault.Unsupported: http.StatusNotImplemented, fault.Unavailable: http.StatusServiceUnavailable,
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone: nobody to tell
}

func writeSuccess(w http.ResponseWriter, a answer) {
	body := map[string]any{"success": true}
	maps.Copy(body, a.fields)
	writeJSON(w, max(a.status, http.StatusOK), body)
}

// writeFault answers an error in the usual envelope. The cause of an internal
// one is logged and not shown.
func writeFault(w http.ResponseWriter, log *slog.Logger, err error) {
	f := fault.Of(err, fault.MsgInternal)
	if f.Kind == fault.Internal {
		log.Error("sandbox request failed", "error", errors.Unwrap(f))
	}
	content := map[string]any{"message": f.Message}
	if len(f.Details) > 0 {
		content["details"] = f.Details
	}
	writeJSON(w, statuses[f.Kind], map[string]any{"success": false, "error": content})
}

// fromNetwork turns an error of the network into a fault. field is the one that
// most likely named what does not exist. Texts of the simulated network are for
// its users, and are shown.
func fromNetwork(err error, field string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wasim.ErrCodeExpired):
		return fault.New(fault.Gone, wasim.ErrCodeExpired.Error())
	case errors.Is(err, wasim.ErrTooManyDevices):
		return fault.New(fault.Conflict, wasim.ErrTooManyDevices.Error())
	case errors.Is(err, wasim.ErrForbidden):
		return fault.New(fault.Forbidden, "Not allowed in this group")
	case errors.Is(err, wasim.ErrClosed):
		return fault.ShuttingDown()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Unavailable, "The simulated network did not answer in time", err)
	case errors.Is(err, wasim.ErrNotFound):
		return fault.New(fault.NotFound, "Not found on the simulated network", fault.Detail{Field: field, Reason: err.Error()})
	default:
		return fault.InvalidBody(fault.Detail{Field: field, Reason: err.Error()})
	}
}
