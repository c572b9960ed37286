package wasim

import (
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/binary/token"
)

// Bounds of the framing (whatsmeow: socket/constants.go).
const (
	maxFrame         = 1 << 24
	frameLengthBytes = 3
	connHeaderBytes  = 4
	edgeHeaderBytes  = 7
)

var errNotWhatsApp = errors.New("connection does not start with a WhatsApp header")

// frameReader cuts the bytes of a websocket into frames: three bytes of length, big-endian, then that many bytes. One
// websocket message may hold part of a frame or several.
type frameReader struct {
	receive func() ([]byte, error) // the next websocket message
	buffer  []byte                 // received and not yet consumed
}

// fill waits until at least n bytes are buffered.
func (r *frameReader) fill(n int) error {
	for len(r.buffer) < n {
		more, err := r.receive()
		if err != nil {
			return err
		}
		if len(r.buffer) == 0 {
			r.buffer = more
			continue
		}
		r.buffer = append(r.buffer, more...)
	}
	return nil
}

// take removes n buffered bytes. The result stays valid: later reads never write into it.
func (r *frameReader) take(n int) []byte {
	out := r.buffer[:n:n]
	r.buffer = r.buffer[n:]
	if len(r.buffer) == 0 {
		r.buffer = nil
	}
	return out
}

// header reads what a client sends before its first frame: 'W' 'A' magic dictionary, which is also the Noise
// prologue. Edge routing ('E' 'D' 0 1, three bytes of length, routing data) may come first and is not part of the
// prologue (assumed: an unrelated client sends it after a server told it where to go).
func (r *frameReader) header() ([]byte, error) {
	if err := r.fill(connHeaderBytes); err != nil {
		return nil, err
	}
	if r.buffer[0] == 'E' && r.buffer[1] == 'D' {
		if err := r.skipEdgeRouting(); err != nil {
			return nil, err
		}
	}
	header := r.take(connHeaderBytes)
	if header[0] != 'W' || header[1] != 'A' {
		return nil, fmt.Errorf("%w: %x", errNotWhatsApp, header)
	}
	if header[3] != token.DictVersion {
		return nil, fmt.Errorf("client uses token dictionary %d, this network only %d", header[3], token.DictVersion)
	}
	return header, nil
}

func (r *frameReader) skipEdgeRouting() error {
	if err := r.fill(edgeHeaderBytes); err != nil {
		return err
	}
	head := r.take(edgeHeaderBytes)
	length := frameLength(head[4:])
	if err := r.fill(length + connHeaderBytes); err != nil {
		return err
	}
	r.take(length)
	return nil
}

// next returns the next frame without its length.
func (r *frameReader) next() ([]byte, error) {
	if err := r.fill(frameLengthBytes); err != nil {
		return nil, err
	}
	length := frameLength(r.buffer)
	if err := r.fill(frameLengthBytes + length); err != nil {
		return nil, err
	}
	return r.take(frameLengthBytes + length)[frameLengthBytes:], nil
}

func frameLength(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// frame puts the length before a payload.
func frame(payload []byte) ([]byte, error) {
	n := len(payload)
	if n >= maxFrame {
		return nil, fmt.Errorf("frame of %d bytes is too large", n)
	}
	out := make([]byte, frameLengthBytes, frameLengthBytes+n)
	out[0], out[1], out[2] = byte(n>>16), byte(n>>8), byte(n)
	return append(out, payload...), nil
}
