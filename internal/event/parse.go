package event

import (
	"encoding/json"
	"fmt"
)

// ParseEnvelope reads what AppendEnvelope wrote; writing the result again gives
// the same bytes, but for text that was not UTF-8, which reads back mended. The
// file of a message, if it is in the envelope, is then in memory.
func ParseEnvelope(b []byte) (*Event, Origin, error) {
	var parts struct {
		Event        Type            `json:"event"`
		Data         json.RawMessage `json:"data"`
		InstanceData instanceData    `json:"instanceData"`
		Meta         meta            `json:"meta"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return nil, Origin{}, fmt.Errorf("event: read an envelope: %w", err)
	}
	data := newPayload(parts.Event)
	if data == nil {
		return nil, Origin{}, fmt.Errorf("event: an envelope of type %q", parts.Event)
	}
	if err := json.Unmarshal(parts.Data, data); err != nil {
		return nil, Origin{}, fmt.Errorf("event: read the data of %s: %w", parts.Event, err)
	}
	e := &Event{ID: parts.Meta.ID, Sequence: parts.Meta.Sequence, Timestamp: parts.Meta.Timestamp, Data: data}
	return e, Origin(parts.InstanceData), nil
}

// newPayload is an empty payload of a type, nil if there is no such type.
func newPayload(t Type) Payload {
	switch t {
	case TypeMessage:
		return &Message{}
	case TypeStatus:
		return &Status{}
	case TypeCall:
		return &Call{}
	case TypeGroup:
		return &Group{}
	case TypeState:
		return &State{}
	case TypeLabel:
		return &Label{}
	}
	return nil
}

// UnmarshalJSON reads what MarshalJSON wrote. A number in Value or Previous
// becomes a float64.
func (g *Group) UnmarshalJSON(b []byte) error {
	type plain Group
	read := struct {
		*plain
		Value json.RawMessage `json:"value"`
	}{plain: (*plain)(g)}
	if err := json.Unmarshal(b, &read); err != nil {
		return err
	}
	g.HasValue = read.Value != nil
	if !g.HasValue {
		return nil
	}
	return json.Unmarshal(read.Value, &g.Value)
}

var _ json.Unmarshaler = (*Group)(nil)
