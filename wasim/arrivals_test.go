package wasim_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/chasqui/chasqui/wasim"
)

// TestMessageTimeKeepsTheNewest131072: an older message is forgotten, and a repeated id keeps its first time and takes
// no second place.
func TestMessageTimeKeepsTheNewest131072(t *testing.T) {
	const kept = 131_072
	server := wasim.Start(t)
	first := time.Date(2026, 4, 28, 10, 30, 0, 0, time.UTC)
	arrive := func(n int) { wasim.Arrive(server, strconv.Itoa(n), first.Add(time.Duration(n)*time.Second)) }
	for n := range kept {
		arrive(n)
	}
	wasim.Arrive(server, "0", first.Add(-time.Hour))
	if at, ok := server.MessageTime("0"); !ok || !at.Equal(first) {
		t.Errorf("the oldest message of a full memory: %v, %v", at, ok)
	}
	arrive(kept)
	arrive(kept + 1)
	for n, want := range map[int]bool{0: false, 1: false, 2: true, kept - 1: true, kept: true, kept + 1: true} {
		at, ok := server.MessageTime(strconv.Itoa(n))
		if ok != want || ok && !at.Equal(first.Add(time.Duration(n)*time.Second)) {
			t.Errorf("message %d: %v, %v, want known %v", n, at, ok, want)
		}
	}
}
