package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/suite"
)

const introduction = `# Benchmarks of the event channel

Written by ` + "`make bench-fanout`" + `, which sets itself up and runs on any Linux machine with two cores; the figures behind every
line are in ` + "`bench/fanout/results.json`" + `. How it measures, and what the contenders are: ` + "`bench/fanout/README.md`" + `.

One contender at a time has a core of its own, the clients another. Every client checks that each event comes once, in
order and whole. A figure is the median of the rounds, in which the contenders take turns, with the lowest and the
highest; a ratio is taken within a round, against a bare write loop of the same bytes. Machines differ: look at the
ratios.

`

// Page is the page of a run. plot is the plot's file name; empty: there is none.
func Page(r *suite.Result, plot string) string {
	var b strings.Builder
	b.WriteString(introduction)
	if r.Scale.Quick {
		b.WriteString("**A quick run: it shows that everything works, its figures say nothing.**\n\n")
	}
	describe(&b, r)
	s := summarize(r)
	verdict(&b, r, s)
	if plot != "" {
		fmt.Fprintf(&b, "![CPU per delivery of all contenders, and growth](%s)\n\n", base(plot))
	}
	for _, l := range r.Loads {
		section(&b, s, l)
	}
	growth(&b, r)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func describe(b *strings.Builder, r *suite.Result) {
	m := r.Machine
	fmt.Fprintf(b, "| machine | |\n|---|---|\n| CPU | %s, %d cores |\n| memory | %s |\n| system | Linux %s, %s |\n", m.CPU, m.Cores, write(float64(m.Memory), suite.Bytes), m.Kernel, m.Go)
	fmt.Fprintf(b, "| open files a process may have | %d |\n| CPU time that the hypervisor gave to others meanwhile | %.1f %% |\n", m.Files, 100*r.Stolen)
	fmt.Fprintf(b, "| run | %s, %s, %d rounds |\n\n", r.Started.Format("2006-01-02 15:04 UTC"), r.Took.Round(time.Second), r.Scale.Rounds)
}

// verdict lists the goals and whether they were reached.
func verdict(b *strings.Builder, r *suite.Result, s *summary) {
	b.WriteString("## Goals\n\n| figure | form | goal | measured | |\n|---|---|---|---|---|\n")
	for _, l := range r.Loads {
		for _, c := range l.Columns {
			for _, form := range s.names {
				goal, ok := c.Goals[form]
				if !ok {
					continue
				}
				f, unit := s.value(l.Name, form, c.Name), c.Unit
				if c.Base != "" {
					f, unit = s.ratio(l.Name, form, c.Name, c.Base), suite.Number
				}
				fmt.Fprintf(b, "| %s: %s | %s | %s | %s | %s |\n", l.Title, lower(c, c.Base), form, bound(goal, unit), spread(f, unit), mark(r, f, goal))
			}
		}
	}
	b.WriteString("\n")
}

func lower(c suite.Column, base string) string {
	if base == "" {
		return c.Title
	}
	return c.Title + " ÷ " + base
}

func bound(g suite.Goal, u suite.Unit) string {
	if g.AtLeast {
		return "≥ " + write(g.Bound, u)
	}
	return "≤ " + write(g.Bound, u)
}

func mark(r *suite.Result, f figure, g suite.Goal) string {
	switch {
	case r.Scale.Quick:
		return "not judged"
	case f.n == 0:
		return "not measured"
	case reached(f, g):
		return "reached"
	}
	return "**missed**"
}

// section is the table of one load.
func section(b *strings.Builder, s *summary, l suite.Load) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n|  |", l.Title, l.About)
	rule := "|---|"
	for _, c := range l.Columns {
		fmt.Fprintf(b, " %s |", c.Title)
		rule += "---|"
		if c.Base != "" {
			fmt.Fprintf(b, " ÷ %s |", c.Base)
			rule += "---|"
		}
	}
	b.WriteString("\n" + rule + "\n")
	for _, name := range s.takers(l.Name) {
		fmt.Fprintf(b, "| %s |", name)
		for _, c := range l.Columns {
			fmt.Fprintf(b, " %s |", spread(s.value(l.Name, name, c.Name), c.Unit))
			if c.Base != "" {
				fmt.Fprintf(b, " %s |", spread(s.ratio(l.Name, name, c.Name, c.Base), suite.Number))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, trouble := range s.troubles(l.Name) {
		fmt.Fprintf(b, "- %s\n", oneLine(trouble))
	}
	if len(s.troubles(l.Name)) > 0 {
		b.WriteString("\n")
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func growth(b *strings.Builder, r *suite.Result) {
	if len(r.Growth) == 0 {
		return
	}
	fmt.Fprintf(b, "## Growth\n\nSingle events of 1 KB to ever more clients of one server, up to nine tenths of the %d files that a process may open here. "+
		"Memory is resident, after a garbage collection, without that of the server alone.\n\n", r.Machine.Files)
	b.WriteString("| contender | clients | CPU per delivery | p50 | p99 | memory per client |\n|---|---|---|---|---|---|\n")
	for _, p := range r.Growth {
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s |\n", p.Contender, p.Clients, write(p.CPU, suite.Nanoseconds),
			write(p.P50, suite.Nanoseconds), write(p.P99, suite.Nanoseconds), write(p.Memory, suite.Bytes))
	}
	b.WriteString("\n")
	for _, p := range r.Growth {
		for _, fault := range p.Faults {
			fmt.Fprintf(b, "- %s, %d clients: %s\n", p.Contender, p.Clients, oneLine(fault))
		}
	}
	if r.GrowthError != "" {
		fmt.Fprintf(b, "- not whole: %s\n", oneLine(r.GrowthError))
	}
	if !strings.HasSuffix(b.String(), "\n\n") {
		b.WriteString("\n")
	}
	extrapolate(b, r.Growth)
}

// extrapolate says what the largest measured number of clients makes one expect
// of more.
func extrapolate(b *strings.Builder, points []suite.Point) {
	var last suite.Point
	for _, p := range points {
		if p.Contender == "chasqui" && p.Clients > last.Clients {
			last = p
		}
	}
	if last.Clients == 0 {
		return
	}
	fmt.Fprintf(b, "### Beyond\n\nIf the last line of `chasqui` (%d clients) held for more, clients of one instance would cost:\n\n"+
		"| clients | memory of the process | one event takes a core for | events a second that one core can do |\n|---|---|---|---|\n", last.Clients)
	for _, n := range []float64{100_000, 1_000_000} {
		event := n * last.CPU
		fmt.Fprintf(b, "| %.0f | %s | %s | %s |\n", n, write(n*last.Memory, suite.Bytes), write(event, suite.Nanoseconds), digits(1e9/event))
	}
	b.WriteString(beyond)
}

const beyond = `
That is arithmetic, not a measurement, and the kernel's own memory for a socket, some KiB, is not in it. What would have
to change on the way:

- A hundred thousand: the limit on open files (` + "`LimitNOFILE`, `fs.nr_open`" + `), the kernel's memory for TCP (` + "`net.ipv4.tcp_mem`" + `),
  and nothing in the program: it keeps no table that grows faster than the clients. The last client waits for the writes to
  all others, since one goroutine writes to the clients of an instance; where that is too long, an instance's clients
  have to be split over the cores, a flusher for each share.
- A million: that split, a poller for each core instead of one, and more than one address or port for those who come from
  one network. Sooner than that it is wiser to spread clients over several nodes, each of which writes to its own.
`
