package report

import (
	"fmt"
	"math"

	"github.com/chasqui/chasqui/bench/fanout/suite"
)

// spread writes a figure with its lowest and highest value.
func spread(f figure, u suite.Unit) string {
	switch f.n {
	case 0:
		return "–"
	case 1:
		return write(f.median, u)
	}
	return fmt.Sprintf("%s (%s to %s)", write(f.median, u), write(f.low, u), write(f.high, u))
}

// decimalBytes are written on axes whose lines stand at powers of ten.
const decimalBytes suite.Unit = "decimal B"

// step is a larger unit.
type step struct {
	size float64
	name string
}

var steps = map[suite.Unit][]step{
	suite.Nanoseconds: {{1e9, " s"}, {1e6, " ms"}, {1e3, " µs"}, {0, " ns"}},
	suite.Bytes:       {{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {0, " B"}},
	decimalBytes:      {{1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}, {0, " B"}},
	suite.BytesRate:   {{1e9, " GB/s"}, {1e6, " MB/s"}, {1e3, " kB/s"}, {0, " B/s"}},
	suite.PerSecond:   {{1e6, " M/s"}, {1e3, " k/s"}, {0, "/s"}},
	suite.Number:      {{0, ""}},
}

// write writes a value with three digits that count.
func write(v float64, u suite.Unit) string {
	for _, s := range steps[u] {
		if math.Abs(v) >= s.size {
			return digits(v/max(s.size, 1)) + s.name
		}
	}
	return digits(v)
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) && a < 1e6:
		return fmt.Sprintf("%.0f", v)
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.01:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}
