package receiver

import "fmt"

// remembered is how many deliveries are remembered.
const remembered = 1 << 16

// history knows what came before. It is not safe for concurrent use.
type history struct {
	accepted map[string]bool  // by webhook-id; false: seen, not accepted
	order    []string         // of the keys, a ring once it is full
	oldest   int              // in order, once it is full
	last     map[string]int64 // newest sequence accepted, by instance
	attempts int
}

func newHistory() *history {
	return &history{accepted: map[string]bool{}, last: map[string]int64{}}
}

// see counts an attempt and reports whether its delivery was seen before.
func (h *history) see(id string) (attempt int, before bool) {
	h.attempts++
	if id == "" {
		return h.attempts, false
	}
	if _, before = h.accepted[id]; before {
		return h.attempts, true
	}
	h.accepted[id] = false
	if len(h.order) < remembered {
		h.order = append(h.order, id)
		return h.attempts, false
	}
	delete(h.accepted, h.order[h.oldest])
	h.order[h.oldest] = id
	h.oldest = (h.oldest + 1) % remembered
	return h.attempts, false
}

// accept remembers that a delivery was accepted and reports whether it had been
// before.
func (h *history) accept(id string) (repeat bool) {
	if id == "" {
		return false
	}
	repeat = h.accepted[id]
	h.accepted[id] = true
	return repeat
}

// follow says what is remarkable about the place of an event among those of its
// instance, "" if nothing is.
func (h *history) follow(instance string, sequence int64) string {
	last := h.last[instance]
	h.last[instance] = max(last, sequence)
	switch missed := sequence - last - 1; {
	case last == 0 || sequence == 0 || missed == 0:
		return ""
	case missed < 0:
		return fmt.Sprintf("%s: #%d comes after #%d", instance, sequence, last)
	default:
		return fmt.Sprintf("%s: missed %d events before #%d (counting those that the filter hides)", instance, missed, sequence)
	}
}
