package hub

// frameLog holds the frames of a stream that some client still needs, numbered
// from 0. It grows in steps and is let go when nobody is connected.
type frameLog struct {
	slots      []*frame // frame n at n mod len; the length is a power of two
	tail, head uint64   // the oldest kept, and the next to come
	bytes      int64    // of all frames ever appended
}

const minSlots = 16

func (l *frameLog) append(f *frame) {
	if l.head-l.tail == uint64(len(l.slots)) {
		l.grow()
	}
	f.start = l.bytes
	l.bytes += f.size()
	l.slots[l.head%uint64(len(l.slots))] = f
	l.head++
}

func (l *frameLog) grow() {
	slots := make([]*frame, max(minSlots, 2*len(l.slots)))
	for n := l.tail; n < l.head; n++ {
		slots[n%uint64(len(slots))] = l.at(n)
	}
	l.slots = slots
}

// at returns frame n, which must not be trimmed yet.
func (l *frameLog) at(n uint64) *frame { return l.slots[n%uint64(len(l.slots))] }

// trim lets go of the frames before n.
func (l *frameLog) trim(n uint64) {
	for ; l.tail < n; l.tail++ {
		l.slots[l.tail%uint64(len(l.slots))] = nil
	}
}

// span is the memory held by the frames from n on and before end, in bytes.
func (l *frameLog) span(n, end uint64) int64 {
	n = max(n, l.tail)
	if n >= end {
		return 0
	}
	last := l.at(end - 1)
	return last.start + last.size() - l.at(n).start
}

// collect appends frames from n on and before end to dst: at least one, more
// while they stay within limit bytes of the given form together.
func (l *frameLog) collect(dst []*frame, n, end uint64, fm form, limit int) []*frame {
	total := 0
	for ; n < end; n++ {
		f := l.at(n)
		total += len(f.wire[fm])
		if len(dst) > 0 && total > limit {
			break
		}
		dst = append(dst, f)
	}
	return dst
}
