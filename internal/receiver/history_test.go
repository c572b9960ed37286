package receiver

import (
	"strconv"
	"testing"
)

// The memory of repeats is bounded: the oldest are forgotten, and only they.
func TestTheOldestDeliveriesAreForgotten(t *testing.T) {
	h := newHistory()
	for i := range remembered + 10 {
		id := strconv.Itoa(i)
		if _, before := h.see(id); before || h.accept(id) {
			t.Fatalf("%s is new", id)
		}
	}
	if len(h.accepted) != remembered {
		t.Errorf("%d are remembered, want %d", len(h.accepted), remembered)
	}
	if _, before := h.see("10"); !before || !h.accept("10") {
		t.Error("the oldest that is kept is forgotten")
	}
	if _, before := h.see("9"); before {
		t.Error("an older one is remembered")
	}
}
