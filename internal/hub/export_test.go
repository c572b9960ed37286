package hub

import "bytes"

// Verdict is what the reader makes of some input.
type Verdict struct {
	Code, CloseCode int
	Closed          bool
	Ping            string
}

// Judge feeds input to the reader of client frames in pieces of n bytes.
func Judge(input []byte, n int, deflate bool) Verdict {
	in := inbound{limit: MaxMessage, deflate: deflate}
	var h heard
	var v Verdict
	rest := bytes.Clone(input)
	for len(rest) > 0 && v.Code == 0 && !h.closed {
		piece := rest[:min(max(n, 1), len(rest))]
		rest = rest[len(piece):]
		v.Code = in.feed(piece, &h)
	}
	if v.Code == 0 {
		v.CloseCode, v.Closed = h.code, h.closed
	}
	v.Ping = string(h.ping)
	return v
}
