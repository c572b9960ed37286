package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// Base64 is the file of an event, which lies elsewhere, usually on disk, and is
// read when the event is written. Size is that of the plain file in bytes. Open
// is called once for each time the event is written, perhaps by several at
// once; it must give exactly Size bytes, and is always followed by Close.
type Base64 struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// Base64Of is a file that is in memory already.
func Base64Of(file []byte) *Base64 {
	return &Base64{
		Size: int64(len(file)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil },
	}
}

// errFileSize says that a file is not as long as was said.
var errFileSize = errors.New("event: the file has not the size that was said")

// EncodedSize is the length of the file as base64.
func (b *Base64) EncodedSize() int64 { return (b.Size + 2) / 3 * 4 }

// Encode opens the file and returns its base64, which is made as it is read: no
// more than about 48 KiB are in memory. Reading fails when the file cannot be
// read or has not the size that was said.
func (b *Base64) Encode() (io.ReadCloser, error) {
	src, err := b.Open()
	if err != nil {
		return nil, err
	}
	return &encoder{src: src, left: b.Size, raw: make([]byte, min(encoderStep, (b.Size+2)/3*3))}, nil
}

// MarshalJSON writes the base64 as a string.
func (b *Base64) MarshalJSON() ([]byte, error) {
	w := &writer{}
	w.dst = append(w.dst, '"')
	w.file(b)
	w.dst = append(w.dst, '"')
	return w.dst, w.err
}

// UnmarshalJSON reads what MarshalJSON wrote; the file is then in memory.
func (b *Base64) UnmarshalJSON(text []byte) error {
	var file []byte
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	*b = *Base64Of(file)
	return nil
}

// encoderStep is how much of a file is read at once: a multiple of 3, so that
// only the last step has padding.
const encoderStep = 48 << 10

// encoder reads a file as base64.
type encoder struct {
	src  io.ReadCloser
	left int64  // bytes of src to come
	raw  []byte // memory for one step

	rest  []byte // encoded, but there was no room for it
	group [4]byte
}

// Read implements io.Reader.
func (r *encoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.rest) == 0 && len(p) < len(r.group) {
		n, err := r.step(r.group[:])
		if err != nil {
			return 0, err
		}
		r.rest = r.group[:n]
	}
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.step(p)
}

// step encodes what fits into p, at least one group of four.
func (r *encoder) step(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.end()
	}
	raw := r.raw[:min(int64(len(r.raw)), r.left, int64(len(p)/4*3))]
	if _, err := io.ReadFull(r.src, raw); err != nil {
		return 0, sizeError(err)
	}
	r.left -= int64(len(raw))
	base64.StdEncoding.Encode(p, raw)
	return base64.StdEncoding.EncodedLen(len(raw)), nil
}

// end is io.EOF if the file ends where it should.
func (r *encoder) end() error {
	var more [1]byte
	if n, err := io.ReadFull(r.src, more[:]); n == 0 {
		return err
	}
	return errFileSize
}

// Close closes the file.
func (r *encoder) Close() error { return r.src.Close() }

// sizeError tells a file that ended early from one that could not be read.
func sizeError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errFileSize
	}
	return err
}

// file encodes a file straight into the buffer, which grows once: a file is
// large, and many clients may wait for it.
func (w *writer) file(b *Base64) {
	w.split = len(w.dst)
	if w.err != nil {
		return
	}
	r, err := b.Encode()
	if err != nil {
		w.fail(err)
		return
	}
	defer func() { _ = r.Close() }() // it was only read
	end := len(w.dst) + int(b.EncodedSize())
	w.dst = slices.Grow(w.dst, end-len(w.dst)+1) // and the quote
	if _, err := io.ReadFull(r, w.dst[len(w.dst):end]); err != nil {
		w.fail(sizeError(err))
		return
	}
	var more [1]byte
	if _, err := r.Read(more[:]); !errors.Is(err, io.EOF) {
		w.fail(errors.Join(errFileSize, err))
		return
	}
	w.dst = w.dst[:end]
}
