package wa

import (
	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// Describe implements chat.Describer.
func (*Engine) Describe(raw []byte) (d chat.Description, ok bool, err error) {
	return waconv.Describe(raw)
}

var _ chat.Describer = (*Engine)(nil)
