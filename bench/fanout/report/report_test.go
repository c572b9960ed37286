package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/bench/fanout/report"
	"github.com/chasqui/chasqui/bench/fanout/suite"
)

// run is a result of three rounds: chasqui against raw, whose own figures drift.
func run() *suite.Result {
	r := &suite.Result{Loads: []suite.Load{{
		Name: "single", Title: "Single events", About: "One at a time.",
		Columns: []suite.Column{{
			Name: "cpu", Title: "CPU", Unit: suite.Nanoseconds, Base: "raw",
			Goals: map[string]suite.Goal{"chasqui": {Bound: 1.10}},
		}},
	}}}
	for round, cpu := range []float64{1000, 2000, 4000} {
		for name, factor := range map[string]float64{"raw": 1, "chasqui": 1.05, "gws": 1.5} {
			r.Samples = append(r.Samples, suite.Sample{Load: "single", Contender: name, Round: round, Values: suite.Values{"cpu": factor * cpu}})
		}
	}
	r.Growth = []suite.Point{{Contender: "chasqui", Clients: 1000, CPU: 5000, P50: 1e6, P99: 2e6, Memory: 512}}
	return r
}

func want(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(page, line) {
			t.Errorf("the page has no %q:\n%s", line, page)
		}
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	want(t, report.Page(run(), "dir/plot.svg"),
		"| chasqui | 2.10 µs (1.05 µs to 4.20 µs) | 1.05 (1.05 to 1.05) |",
		"| gws | 3 µs (1.50 µs to 6 µs) | 1.50 (1.50 to 1.50) |",
		"| Single events: CPU ÷ raw | chasqui | ≤ 1.10 | 1.05 (1.05 to 1.05) | reached |",
		"](plot.svg)", "| 1000000 | 488 MiB | 5 s | 0.20 |")
}

func TestAMissedGoalIsSaid(t *testing.T) {
	r := run()
	r.Loads[0].Columns[0].Goals["chasqui"] = suite.Goal{Bound: 1.04}
	want(t, report.Page(r, ""), "| **missed** |")
	r.Loads[0].Columns[0].Goals["chasqui"] = suite.Goal{Bound: 1.04, AtLeast: true}
	want(t, report.Page(r, ""), "≥ 1.04", "| reached |")
	r.Scale.Quick = true
	want(t, report.Page(r, ""), "| not judged |")
}

func TestFaultsAndErrorsAreSaid(t *testing.T) {
	r := run()
	r.Samples[0].Faults = []string{"3 clients were cut off"}
	r.Samples[4].Values, r.Samples[4].Error = nil, "it\ndied"
	want(t, report.Page(r, ""), ": 3 clients were cut off\n", ": no figures: it died\n")
}

func TestThePlotIsWellFormed(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(report.Plot(run())))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
