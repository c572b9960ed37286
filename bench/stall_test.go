package bench_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// machine watches what the machine itself does to a measurement: how late a
// timer of one millisecond fires in a process that does nothing else, and how
// much CPU time the hypervisor gave to others. A latency that the machine adds
// to everybody is no property of the gateway.
type machine struct {
	stop  chan struct{}
	done  chan struct{}
	late  []time.Duration
	total uint64 // jiffies at the start
	steal uint64
}

func watchMachine() *machine {
	m := &machine{stop: make(chan struct{}), done: make(chan struct{})}
	m.total, m.steal = jiffies()
	go m.watch()
	return m
}

func (m *machine) watch() {
	defer close(m.done)
	for {
		begin := time.Now()
		select {
		case <-m.stop:
			return
		case <-time.After(time.Millisecond):
			m.late = append(m.late, time.Since(begin)-time.Millisecond)
		}
	}
}

// report ends the watch and gives what was seen.
func (m *machine) report(b *testing.B) {
	close(m.stop)
	<-m.done
	slices.Sort(m.late)
	b.ReportMetric(percentile(m.late, 0.99), "ms-timer-p99")
	b.ReportMetric(percentile(m.late, 1), "ms-timer-max")
	total, steal := jiffies()
	if total > m.total {
		b.ReportMetric(100*float64(steal-m.steal)/float64(total-m.total), "%steal")
	}
}

// jiffies reads all CPU time, and the part of it that was stolen, since the
// machine started (Linux: proc(5), /proc/stat).
func jiffies() (total, steal uint64) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	const stolen = 8 // the eighth value after the name
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			continue
		}
		total += n
		if i == stolen {
			steal = n
		}
	}
	return total, steal
}
