package suite

import (
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
)

// Scale is how large the loads are.
type Scale struct {
	Quick   bool
	Rounds  int // of every load that is compared
	Clients int // of the loads with many

	SingleEvents int
	SingleEvery  time.Duration
	Bursts       int // of burstEvents
	LatencyTime  time.Duration
	IdleClients  int
	TLSClients   int
	LargeEvents  int
	StallBursts  int
	Instances    int // with two clients each
	InstanceTurn int // how often each gets an event
	HotTime      time.Duration
	MediaSize    int   // bytes of the file
	MediaClients int   // that get it
	Growth       []int // numbers of clients; more than the file limit allows is left out
	GrowthEvents int
}

// burstEvents is how many events a burst has.
const burstEvents = 64

// Full is the scale of docs/benchmarks-fanout.md. files is how many files a
// process may open.
func Full(files uint64) Scale {
	most := mostClients(files)
	growth := []int{1, 10, 100, 1000}
	for _, n := range []int{5_000, 10_000, 20_000, 50_000, 100_000} {
		if n < most {
			growth = append(growth, n)
		}
	}
	return Scale{
		Rounds: 5, Clients: min(1000, most), SingleEvents: 200, SingleEvery: 20 * time.Millisecond, Bursts: 10,
		LatencyTime: 5 * time.Second, IdleClients: min(10_000, most), TLSClients: min(4_000, most), LargeEvents: 20, StallBursts: 100,
		Instances: min(8_000, most/2), InstanceTurn: 10, HotTime: 10 * time.Second,
		MediaSize: 16 << 20, MediaClients: 50, Growth: append(growth, most), GrowthEvents: 40,
	}
}

// Quick is a scale that shows in a minute or so whether everything works. Its
// figures say nothing.
func Quick() Scale {
	return Scale{
		Quick: true, Rounds: 1, Clients: 50, SingleEvents: 10, SingleEvery: 5 * time.Millisecond, Bursts: 2,
		LatencyTime: 300 * time.Millisecond, IdleClients: 100, TLSClients: 20, LargeEvents: 2, StallBursts: 12,
		Instances: 20, InstanceTurn: 2, HotTime: 300 * time.Millisecond,
		MediaSize: 1 << 20, MediaClients: 3, Growth: []int{1, 10, 50}, GrowthEvents: 5,
	}
}

// mostClients leaves a tenth of the files free.
func mostClients(files uint64) int { return int(min(files, 1<<20) * 9 / 10) }

// ScaleFor is the full scale of this machine or the quick one, with so many
// rounds unless that is 0.
func ScaleFor(quick bool, rounds int) Scale {
	s := Quick()
	if !quick {
		s = Full(machine.RaiseFileLimit())
	}
	if rounds > 0 {
		s.Rounds = rounds
	}
	return s
}
