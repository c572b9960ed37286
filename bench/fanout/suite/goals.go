package suite

import "fmt"

// The loads that are compared, with the goals that the project set itself.

func atMost(form string, bound float64) map[string]Goal { return map[string]Goal{form: {Bound: bound}} }

func bothAtMost(leaner, other float64) map[string]Goal {
	return map[string]Goal{epoll: {Bound: leaner}, portable: {Bound: other}}
}

func bothAtLeast(bound float64) map[string]Goal {
	return map[string]Goal{epoll: {Bound: bound, AtLeast: true}, portable: {Bound: bound, AtLeast: true}}
}

func singleLoad(s Scale) Load {
	return Load{
		Name: "single", Title: "Single events",
		About: fmt.Sprintf("Events of 1 KB to %d clients, one every %s. CPU is the server's user and system time.", s.Clients, s.SingleEvery),
		Columns: []Column{
			{Name: "cpu", Title: "CPU per delivery", Unit: Nanoseconds, Base: raw, Goals: bothAtMost(1.10, 1.25)},
			{Name: "allocs", Title: "allocations per delivery", Goals: bothAtMost(0.02, 0.02)},
		},
	}
}

func burstLoad(s Scale) Load {
	return Load{
		Name: "burst", Title: "Bursts",
		About: fmt.Sprintf("%d events of 1 KB at once to %d clients; the next burst when everybody has the last.", burstEvents, s.Clients),
		Columns: []Column{
			{Name: "rate", Title: "deliveries a second", Unit: PerSecond, Base: rawJoined, Goals: bothAtLeast(0.90)},
			{Name: "cpu", Title: "CPU per delivery", Unit: Nanoseconds, Base: rawJoined},
		},
	}
}

func latencyLoad(name string, clients, rate int) Load {
	return Load{
		Name: name, Title: fmt.Sprintf("Latency, %d clients × %d events/s", clients, rate),
		About: "From the making of an event of 1 KB to its arrival in the client's process.",
		Columns: []Column{
			{Name: "p50", Title: "p50", Unit: Nanoseconds, Base: raw, Goals: bothAtMost(1.10, 1.10)},
			{Name: "p99", Title: "p99", Unit: Nanoseconds, Base: raw, Goals: bothAtMost(1.25, 1.25)},
		},
	}
}

func idleLoad(s Scale) Load {
	return Load{
		Name: "idle", Title: "Idle clients",
		About: fmt.Sprintf("Resident memory of the server after a garbage collection with %d more clients, each one's share.", s.IdleClients),
		Columns: []Column{
			{Name: "bytes", Title: "memory per client", Unit: Bytes, Goals: bothAtMost(512, 4096)},
		},
	}
}

func largeLoad(s Scale) Load {
	return Load{
		Name: "large", Title: "Large events",
		About: fmt.Sprintf("%d events of 1 MB to %d clients, each when everybody has the last. The peak is of resident memory, above that before.",
			s.LargeEvents, largeClients),
		Columns: []Column{
			{Name: "rate", Title: "bytes a second", Unit: BytesRate, Base: raw, Goals: bothAtLeast(1)},
			{Name: "cpu", Title: "CPU per byte", Unit: Nanoseconds, Base: raw},
			{Name: "peak", Title: "peak of memory", Unit: Bytes, Goals: bothAtMost(10_000_000, 10_000_000)},
		},
	}
}

func stallLoad(s Scale) Load {
	return Load{
		Name: "stalled", Title: "Stalled clients",
		About: fmt.Sprintf("%d of %d clients, whose receive buffers are small, stop reading and %d bursts of %d events of 1 KB follow. "+
			"The others' rate is compared with their own before. The send buffer is the fullest of the server's sockets after any burst.",
			stallOnes, stallClients, s.StallBursts, burstEvents),
		Columns: []Column{
			{Name: "others", Title: "rate of the others", Goals: bothAtLeast(0.9)},
			{Name: "cut", Title: fmt.Sprintf("of %d cut", stallOnes), Goals: bothAtLeast(stallOnes)},
			{Name: "queued", Title: "send buffer", Unit: Bytes},
		},
	}
}
