package wa_test

import (
	"strings"
	"testing"

	"go.mau.fi/libsignal/state/record"

	"github.com/chasqui/chasqui/internal/wa"
)

func session(key string, counter uint32) *record.StateStructure {
	return &record.StateStructure{SenderBaseKey: []byte(key), PreviousCounter: counter}
}

// A message changes one session; all others are put back as they were read,
// newest first, each once.
func TestOlderSessionsArePutBack(t *testing.T) {
	tests := map[string]struct {
		old     []*record.StateStructure // the current one first
		current *record.StateStructure
		want    string
	}{
		"the current session fitted":      {old: list("A", "B", "C"), current: session("A", 9), want: "B C"},
		"an older session fitted":         {old: list("A", "B", "C"), current: session("C", 9), want: "A B"},
		"a new session began":             {old: list("A", "B"), current: session("N", 9), want: "A B"},
		"stale copies are dropped":        {old: list("A", "B", "A", "B", "C"), current: session("B", 9), want: "A C"},
		"the only session stays the only": {old: list("A"), current: session("A", 9), want: ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			old := &record.SessionStructure{SessionState: tt.old[0], PreviousStates: tt.old[1:]}
			var got []string
			for _, s := range wa.OlderSessions(old, tt.current) {
				if s.PreviousCounter != 0 {
					t.Errorf("%s was changed", s.SenderBaseKey)
				}
				got = append(got, string(s.SenderBaseKey))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("older sessions = %v, want %s", got, tt.want)
			}
		})
	}
}

func list(keys ...string) []*record.StateStructure {
	var l []*record.StateStructure
	for _, k := range keys {
		l = append(l, session(k, 0))
	}
	return l
}
