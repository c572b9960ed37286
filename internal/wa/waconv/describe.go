package waconv

import (
	"fmt"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/chat"
)

// Describe reads what a stored message says about its file; ok is false if it
// is not one.
func Describe(raw []byte) (d chat.Description, ok bool, err error) {
	m := new(waE2E.Message)
	if err := proto.Unmarshal(raw, m); err != nil {
		return chat.Description{}, false, fmt.Errorf("stored message: %w", err)
	}
	p := unwrap(m)
	b := builder{info: new(types.MessageInfo)} // who sent it is not in the protobuf
	if !b.readMedia(p) || b.media == nil {
		return chat.Description{}, false, nil
	}
	d.Ref = *b.media
	if timed, ok := p.value.(interface{ GetSeconds() uint32 }); ok {
		d.Duration = int(timed.GetSeconds())
	}
	return d, true, nil
}
