package event

import (
	"strings"
	"time"
)

// Type is the name of an event on the wire.
type Type string

// The six types, in the order in which they are listed to users.
const (
	TypeMessage Type = "message.exchange"
	TypeStatus  Type = "message.status"
	TypeCall    Type = "call.update"
	TypeGroup   Type = "group.flow"
	TypeState   Type = "instance.state"
	TypeLabel   Type = "label.update"
)

// Types returns the six types in their fixed order.
func Types() []Type {
	return []Type{TypeMessage, TypeStatus, TypeCall, TypeGroup, TypeState, TypeLabel}
}

// Valid reports whether t is one of the six, case included.
func (t Type) Valid() bool { return t.bit() != 0 }

func (t Type) bit() Filter {
	switch t {
	case TypeMessage:
		return 1
	case TypeStatus:
		return 2
	case TypeCall:
		return 4
	case TypeGroup:
		return 8
	case TypeState:
		return 16
	case TypeLabel:
		return 32
	}
	return 0
}

// AllowedNames is the list of type names for error details.
func AllowedNames() string {
	names := make([]string, 0, len(Types()))
	for _, t := range Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// Payload is the data of one event: *Message, *Status, *Call, *Group, *State
// or *Label.
type Payload interface {
	EventType() Type
}

// Event is one thing that happened on an instance. ID, Sequence and Timestamp
// are given when it is recorded and are the same on every channel.
type Event struct {
	ID        string    // opaque, at most 64 of [A-Za-z0-9_]
	Sequence  int64     // rises by one per instance and event
	Timestamp time.Time // when the gateway saw it
	Data      Payload
}

// Type returns the type of the event's payload.
func (e *Event) Type() Type { return e.Data.EventType() }

// Filter is a set of types. The zero value lets nothing through; see FilterOf.
type Filter uint8

// FilterOf returns the set of the given types. An empty list means all six, as
// in the configuration of a channel.
func FilterOf(types []Type) Filter {
	if len(types) == 0 {
		types = Types()
	}
	var f Filter
	for _, t := range types {
		f |= t.bit()
	}
	return f
}

// Allows reports whether the filter lets events of type t through.
func (f Filter) Allows(t Type) bool { return f&t.bit() != 0 }
