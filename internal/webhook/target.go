package webhook

import (
	"strings"

	"github.com/chasqui/chasqui/internal/event"
)

// Target returns the URL to which an event of type t goes. With ByEvents the
// name of the event is the last element of its path; the query stays.
func (w *Webhook) Target(t event.Type) string {
	if !w.ByEvents {
		return w.URL
	}
	path, rest := w.URL, ""
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path, rest = path[:i], path[i:]
	}
	return strings.TrimSuffix(path, "/") + "/" + string(t) + rest
}
