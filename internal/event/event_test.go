package event_test

import (
	"testing"

	"github.com/chasqui/chasqui/internal/event"
)

// events.md 2: values are the six names, compared exactly, case included.
func TestTypesAreValid(t *testing.T) {
	for _, typ := range event.Types() {
		if !typ.Valid() {
			t.Errorf("%s is not valid", typ)
		}
	}
	for _, typ := range []event.Type{"", "Message.exchange", "message.exchange ", "all"} {
		if typ.Valid() {
			t.Errorf("%q is valid", typ)
		}
	}
	const names = "message.exchange, message.status, call.update, group.flow, instance.state, label.update"
	if got := event.AllowedNames(); got != names {
		t.Errorf("AllowedNames = %s", got)
	}
}

// events.md 2: omitted, null or [] means all six types.
func TestFilter(t *testing.T) {
	all, some, none := event.FilterOf(nil), event.FilterOf([]event.Type{event.TypeCall, event.TypeLabel}), event.Filter(0)
	for _, typ := range event.Types() {
		if !all.Allows(typ) {
			t.Errorf("the empty list does not let %s through", typ)
		}
		if want := typ == event.TypeCall || typ == event.TypeLabel; some.Allows(typ) != want {
			t.Errorf("%s passes a filter of calls and labels: %t", typ, !want)
		}
		if none.Allows(typ) {
			t.Errorf("the zero filter lets %s through", typ)
		}
	}
	if all.Allows("unknown") {
		t.Error("an unknown type passes")
	}
}
