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
// much CPU time the hypervisor gave to others, second by second. A latency that
// the machine adds to everybody is no property of the gateway.
type machine struct {
	stop    chan struct{}
	done    chan struct{}
	late    []time.Duration
	seconds []second
}

// second is a stretch of about one second and the share of all CPU time that
// the hypervisor took away in it.
type second struct {
	begin, end time.Time
	stolen     float64
}

// calm is the largest share of stolen CPU time of a second that counts as
// undisturbed.
const calm = 0.01

func watchMachine() *machine {
	m := &machine{stop: make(chan struct{}), done: make(chan struct{})}
	go m.watch()
	return m
}

func (m *machine) watch() {
	defer close(m.done)
	begin := time.Now()
	total, steal := jiffies()
	for {
		tick := time.Now()
		select {
		case <-m.stop:
			return
		case <-time.After(time.Millisecond):
			m.delay(time.Since(tick) - time.Millisecond)
		}
		if now := time.Now(); now.Sub(begin) >= time.Second {
			t, s := jiffies()
			stolen := float64(s-steal) / float64(max(t-total, 1))
			m.seconds = append(m.seconds, second{begin: begin, end: now, stolen: stolen})
			begin, total, steal = now, t, s
		}
	}
}

// delay notes a timer that fired late by d, once for each millisecond of d:
// who came first in the stall waited d, who came last waited nothing.
func (m *machine) delay(d time.Duration) {
	for ; d >= time.Millisecond; d -= time.Millisecond {
		m.late = append(m.late, d)
	}
	m.late = append(m.late, max(d, 0))
}

// end stops the watch and reports what was seen.
func (m *machine) end(b *testing.B) {
	close(m.stop)
	<-m.done
	slices.Sort(m.late)
	b.ReportMetric(percentile(m.late, 0.99), "ms-timer-p99")
	b.ReportMetric(percentile(m.late, 1), "ms-timer-max")
	stolen := 0.0
	for _, s := range m.seconds {
		stolen += s.stolen
	}
	b.ReportMetric(100*stolen/float64(max(len(m.seconds), 1)), "%steal")
}

// undisturbed reports whether at lies in a second of which the hypervisor took
// at most calm, and the second before it was so too.
func (m *machine) undisturbed(at time.Time) bool {
	for i, s := range m.seconds {
		if at.Before(s.begin) || !at.Before(s.end) {
			continue
		}
		return s.stolen <= calm && (i == 0 || m.seconds[i-1].stolen <= calm)
	}
	return false
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
