package crowd

import "math/bits"

// A histogram's buckets are exact up to precision and then grow so that the
// error stays below 1/precision.
const (
	precisionBits = 6
	precision     = 1 << precisionBits
	octaves       = 40 // up to 2^45 ns, about ten hours
)

// histogram counts times in nanoseconds.
type histogram struct {
	buckets [octaves * precision]int64
	count   int64
	max     int64
}

func (h *histogram) add(v int64) {
	v = max(v, 0)
	h.buckets[min(bucket(uint64(v)), len(h.buckets)-1)]++
	h.count++
	h.max = max(h.max, v)
}

func bucket(v uint64) int {
	shift := max(bits.Len64(v)-precisionBits-1, 0)
	return shift*precision + int(v>>shift)
}

// least is the smallest value of a bucket.
func least(bucket int) int64 {
	shift := max(bucket/precision-1, 0)
	return int64(bucket-shift*precision) << shift
}

// quantile is a value that the share p of all values do not exceed, 0 without
// values.
func (h *histogram) quantile(p float64) int64 {
	rank := int64(p * float64(h.count))
	for i, n := range h.buckets {
		if rank -= n; rank < 0 {
			return least(i)
		}
	}
	return h.max
}
