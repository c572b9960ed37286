package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/bench/fanout/suite"
)

// TestMain lets the benchmark start this test binary as a peer or as the crowd.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "peer" || os.Args[1] == "crowd") {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestQuickRun runs every load on every contender that needs no Node, and checks
// that each sample has figures and no faults, and that page and plot show them.
func TestQuickRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute")
	}
	dir := t.TempDir()
	gateway := filepath.Join(dir, "chasqui")
	if out, err := exec.Command("go", "build", "-C", "../..", "-tags", "chasqui_inject", "-o", gateway, "./cmd/chasqui").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	nobody := filepath.Join(dir, "nobody.txt")
	if err := os.WriteFile(nobody, []byte("BenchmarkPublishNobody-2 \t 100 \t 1.3 ns/op \t 0 B/op \t 0 allocs/op\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	results, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "page.md")
	err := run(t.Context(), []string{"run", "-quick", "-chasqui", gateway, "-nobody", nobody, "-json", results, "-page", page, "-plot", "plot.svg"})
	if err != nil {
		t.Fatal(err)
	}
	res := decode(t, results)
	checkSamples(t, res)
	if res.GrowthError != "" || len(res.Growth) != 4*len(res.Scale.Growth) {
		t.Errorf("growth has %d points: %s", len(res.Growth), res.GrowthError)
	}
	text := read(t, page)
	for _, want := range []string{"## Goals", "| gorilla |", "## Growth", "(plot.svg)", "A quick run"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if plot := read(t, filepath.Join(dir, "plot.svg")); !strings.Contains(plot, ">chasqui-portable</text>") {
		t.Errorf("the plot shows no chasqui-portable:\n%s", plot)
	}
}

func checkSamples(t *testing.T, res *suite.Result) {
	t.Helper()
	for _, l := range res.Loads {
		taken := 0
		for _, sm := range res.Samples {
			if sm.Load != l.Name {
				continue
			}
			taken++
			if sm.Error != "" || len(sm.Faults) > 0 {
				t.Errorf("%s, %s: %s %v", l.Name, sm.Contender, sm.Error, sm.Faults)
			}
			for _, c := range l.Columns {
				if _, ok := sm.Values[c.Name]; !ok {
					t.Errorf("%s, %s: no figure for %s", l.Name, sm.Contender, c.Name)
				}
			}
		}
		if taken == 0 {
			t.Errorf("nobody took %s", l.Name)
		}
	}
}

func TestOnlyWhatWasChosenRuns(t *testing.T) {
	results := filepath.Join(t.TempDir(), "r.json")
	args := []string{"run", "-quick", "-rounds", "2", "-loads", "single", "-contenders", "raw,gws", "-json", results, "-page", results + ".md"}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, sm := range decode(t, results).Samples {
		got = append(got, fmt.Sprintf("%s %s %d", sm.Load, sm.Contender, sm.Round))
	}
	if want := []string{"single raw 0", "single gws 0", "single gws 1", "single raw 1"}; !slices.Equal(got, want) {
		t.Errorf("samples %q, want %q", got, want)
	}
}

func TestUnknownCommandsAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"fly"}, {"peer"}, {"peer", "nobody"}} {
		if run(t.Context(), args) == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t *testing.T, file string) *suite.Result {
	t.Helper()
	var res suite.Result
	if err := json.Unmarshal([]byte(read(t, file)), &res); err != nil {
		t.Fatal(err)
	}
	return &res
}
