package wasim

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// reader hands bytes out in pieces of the given size, as websocket messages may cut them.
func reader(data []byte, piece int) *frameReader {
	return &frameReader{receive: func() ([]byte, error) {
		if len(data) == 0 {
			return nil, io.EOF
		}
		n := min(piece, len(data))
		out := data[:n]
		data = data[n:]
		return out, nil
	}}
}

func TestHeaderForms(t *testing.T) {
	edge := []byte{'E', 'D', 0, 1, 0, 0, 3, 'x', 'y', 'z'}
	for name, test := range map[string]struct {
		in []byte
		ok bool
	}{
		"plain":             {in: []byte{'W', 'A', 6, 3}, ok: true},
		"edge routing":      {in: append(bytes.Clone(edge), 'W', 'A', 6, 3), ok: true},
		"older dictionary":  {in: []byte{'W', 'A', 6, 2}},
		"newer dictionary":  {in: []byte{'W', 'A', 6, 4}},
		"something else":    {in: []byte("GET / HTTP/1.1")},
		"cut edge routing":  {in: edge[:8]},
		"nothing":           {},
		"edge and no magic": {in: append(bytes.Clone(edge), 'E', 'D', 0, 1)},
	} {
		for _, piece := range []int{1, 3, 100} {
			header, err := reader(test.in, piece).header()
			if (err == nil) != test.ok || (test.ok && !bytes.Equal(header, socket.WAConnHeader)) {
				t.Errorf("%s in pieces of %d: %x, %v", name, piece, header, err)
			}
		}
	}
}

func TestFramesAreCutAnywhere(t *testing.T) {
	var stream []byte
	frames := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("long"), 100_000), []byte("last")}
	for _, f := range frames {
		framed, err := frame(f)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, framed...)
	}
	for _, piece := range []int{1000, 7, 1 << 20} {
		r := reader(stream, piece)
		for i, want := range frames {
			if got, err := r.next(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("frame %d in pieces of %d: %d bytes, %v", i, piece, len(got), err)
			}
		}
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Errorf("end: %v", err)
		}
	}
	if _, err := frame(make([]byte, maxFrame)); err == nil {
		t.Error("a frame that is too large was made")
	}
}

// helloOf is a client's first frame.
func helloOf(t testing.TB, ephemeral []byte) []byte {
	t.Helper()
	out, err := proto.Marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{Ephemeral: ephemeral}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newTestHandshake(t testing.TB) *handshake {
	t.Helper()
	static := keys.NewKeyPair()
	chain, err := certificateChain(static, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHandshake(socket.WAConnHeader, static, chain)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHandshakeRefusesBadKeys(t *testing.T) {
	for name, ephemeral := range map[string][]byte{"none": nil, "short": make([]byte, 31), "low order": make([]byte, 32)} {
		if _, err := newTestHandshake(t).hello(helloOf(t, ephemeral)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	h := newTestHandshake(t)
	if _, err := h.hello(helloOf(t, keys.NewKeyPair().Pub[:])); err != nil {
		t.Fatal(err)
	}
	if _, err := h.finish([]byte("nonsense")); err == nil {
		t.Error("a finish that is not sealed was accepted")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{'W', 'A', 6, 3, 0, 0, 2, 1, 2, 0, 0, 0}, 3)
	f.Add([]byte{'E', 'D', 0, 1, 0, 0, 1, 9, 'W', 'A', 6, 3, 0, 0, 1, 7}, 1)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		r := reader(data, max(1, piece))
		if _, err := r.header(); err != nil {
			return
		}
		total := 0
		for {
			got, err := r.next()
			if err != nil {
				break
			}
			total += len(got)
		}
		if total > len(data) {
			t.Errorf("%d bytes of frames from %d", total, len(data))
		}
	})
}

func FuzzHandshake(f *testing.F) {
	good := helloOf(f, keys.NewKeyPair().Pub[:])
	finish, err := proto.Marshal(&waWa6.HandshakeMessage{ClientFinish: &waWa6.HandshakeMessage_ClientFinish{
		Static: make([]byte, 48), Payload: make([]byte, 64),
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, finish)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		h := newTestHandshake(t)
		if _, err := h.hello(first); err != nil {
			return
		}
		if s, err := h.finish(second); err == nil {
			t.Errorf("a client without keys got in: %v", s.payload)
		}
	})
}

func FuzzStanza(f *testing.F) {
	f.Add([]byte{0, 0xf8, 2, 3, 4})
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, plain []byte) {
		if n, err := decodeNode(plain); err == nil && n == nil {
			t.Error("neither a stanza nor an error")
		}
	})
}

func FuzzQRCode(f *testing.F) {
	f.Add("https://wa.me/settings/linked_devices#2@ref,AAAA,AAAA,AAAA,1")
	f.Fuzz(func(t *testing.T, code string) {
		if _, err := parseQR(code); err != nil && !errors.Is(err, ErrCodeExpired) {
			t.Error(err)
		}
	})
}
