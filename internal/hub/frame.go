package hub

import (
	"bytes"
	"compress/flate"
	"fmt"
	"net/http"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// form is the way in which a client wants its frames.
type form uint8

// The two forms. Deflated is for clients that negotiated permessage-deflate.
const (
	plain form = iota
	deflated
	forms
)

// frame is one event, ready for the wire in each form that somebody wants:
// header and payload in one slice. It is shared by all clients and never
// changes once it is in a log.
type frame struct {
	wire  [forms][]byte
	start int64 // bytes of all earlier frames of the stream
	at    int64 // when it was published, Hub.now
}

// size is the memory that the frame keeps alive, in bytes.
func (f *frame) size() int64 { return int64(len(f.wire[plain]) + len(f.wire[deflated])) }

// newFrame serialises one event. encode appends the JSON behind the room left
// for the header, so that nothing is copied.
func newFrame(size int, encode func([]byte) ([]byte, error)) (*frame, error) {
	buf := make([]byte, ws.MaxHeaderSize, ws.MaxHeaderSize+max(size, 0))
	buf, err := encode(buf)
	if err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return &frame{wire: [forms][]byte{plain: withHeader(buf, 0)}}, nil
}

// withHeader turns ws.MaxHeaderSize bytes of room and a payload into a frame,
// by writing the header right before the payload.
func withHeader(buf []byte, rsv byte) []byte {
	h := ws.Header{Fin: true, Rsv: rsv, OpCode: ws.OpText, Length: int64(len(buf) - ws.MaxHeaderSize)}
	skip := ws.MaxHeaderSize - ws.HeaderSize(h)
	var w bytes.Buffer
	if err := ws.WriteHeader(&w, h); err != nil {
		panic(err) // a buffer takes everything
	}
	copy(buf[skip:], w.Bytes())
	return buf[skip:]
}

// deflaters are costly to make (several hundred KiB), so they are shared.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

// deflate adds the compressed form: RFC 7692 section 7.2.1, without context
// takeover, so that the same bytes suit every client.
func (f *frame) deflate() error {
	h, err := ws.ReadHeader(bytes.NewReader(f.wire[plain]))
	if err != nil {
		return fmt.Errorf("deflate an event: %w", err)
	}
	payload := f.wire[plain][ws.HeaderSize(h):]
	var out bytes.Buffer
	out.Write(make([]byte, ws.MaxHeaderSize))
	d := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(d)
	d.Reset(&out)
	if _, err = d.Write(payload); err == nil {
		err = d.Flush()
	}
	if err != nil {
		return fmt.Errorf("deflate an event: %w", err)
	}
	// A flush ends in an empty block of 00 00 ff ff, which is not sent.
	f.wire[deflated] = withHeader(out.Bytes()[:out.Len()-4], ws.Rsv(true, false, false))
	return nil
}

// deflateTerms are the terms of permessage-deflate that we accept.
func deflateTerms() *wsflate.Extension {
	return &wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
}

// hasDeflate reports whether the client offers permessage-deflate on such terms.
// An offer that cannot be read counts as none: the upgrader would answer it with
// plain text.
func hasDeflate(h http.Header) bool {
	terms := deflateTerms()
	for _, line := range h.Values("Sec-WebSocket-Extensions") {
		options, ok := httphead.ParseOptions([]byte(line), nil)
		if !ok {
			return false
		}
		for _, o := range options {
			if _, err := terms.Negotiate(o); err != nil {
				return false
			}
		}
	}
	_, ok := terms.Accepted()
	return ok
}
