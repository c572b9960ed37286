package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
)

// Options choose what is run; empty lists mean everything.
type Options struct {
	Self    string // this program, which is also the peers and the crowd
	Chasqui string // the gateway's binary, built with the tag chasqui_inject; empty: without chasqui
	Node    string // the folder of the Node servers; empty: without them
	Nobody  string // the file of go test's output about publishing to nobody; empty: there is none
	// Profiles is a folder for CPU profiles of the servers written in Go; empty:
	// none are taken.
	Profiles string
	Scale    Scale
	Loads    []string
	Only     []string // contenders
	Log      io.Writer
}

// Growth is the name of the series with ever more clients among the loads.
const Growth = "growth"

// Runner runs the benchmark.
type Runner struct {
	setup
	opts Options
}

// New returns a runner that puts servers on the first core it may use and
// clients on the second.
func New(opts Options) (*Runner, error) {
	cores, err := machine.Cores()
	if err != nil {
		return nil, err
	}
	if len(cores) < 2 {
		return nil, errors.New("the benchmark needs two cores: one for the server, one for the clients")
	}
	machine.RaiseFileLimit()
	return &Runner{opts: opts, setup: setup{
		Self: opts.Self, Chasqui: opts.Chasqui, Node: opts.Node, Profiles: opts.Profiles, serverCore: cores[0], clientCore: cores[1],
	}}, nil
}

// Run runs every chosen load on every chosen contender. What one of them cannot
// do stands in its sample; an error means that the run itself is broken.
func (r *Runner) Run(ctx context.Context) (*Result, error) {
	before := machine.ReadJiffies()
	res := &Result{Machine: machine.Describe(), Started: time.Now().UTC(), Scale: r.opts.Scale}
	for _, l := range loads(r.opts.Scale) {
		if !chosen(r.opts.Loads, l.Name) {
			continue
		}
		res.Loads = append(res.Loads, l.Load)
		for round := range l.rounds(r.opts.Scale) {
			for _, c := range inTurn(r.takers(l), round) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				res.Samples = append(res.Samples, r.sample(ctx, l, c, round))
			}
		}
	}
	if r.opts.Nobody != "" {
		samples, err := readNobody(r.opts.Nobody)
		if err != nil {
			return nil, err
		}
		res.Loads, res.Samples = append(res.Loads, nobodyLoad()), append(res.Samples, samples...)
	}
	if chosen(r.opts.Loads, Growth) {
		var err error
		if res.Growth, err = r.growAll(ctx, r.contenders()); err != nil {
			res.GrowthError = err.Error()
		}
	}
	res.Took = time.Since(res.Started)
	res.Stolen = machine.ReadJiffies().Since(before)
	return res, nil
}

// inTurn begins with another contender in every round, so that none always
// comes after the same one.
func inTurn(list []Contender, round int) []Contender {
	if len(list) == 0 {
		return nil
	}
	k := round % len(list)
	return append(slices.Clone(list[k:]), list[:k]...)
}

// contenders are those that were chosen and can be started.
func (r *Runner) contenders() []Contender {
	return slices.DeleteFunc(contenders(), func(c Contender) bool {
		return !chosen(r.opts.Only, c.Name) || c.kind == chasquiKind && r.Chasqui == "" || c.kind == nodeKind && r.Node == ""
	})
}

func (r *Runner) takers(l load) []Contender {
	return slices.DeleteFunc(r.contenders(), func(c Contender) bool {
		return slices.Contains(l.skip, c.Name) || l.only != nil && !slices.Contains(l.only, c.Name)
	})
}

func chosen(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

func (r *Runner) stage(c Contender) *stage {
	return &stage{setup: &r.setup, scale: r.opts.Scale, contender: c}
}

// sampleTime is the longest that one sample may take.
const sampleTime = 10 * time.Minute

func (r *Runner) sample(ctx context.Context, l load, c Contender, round int) Sample {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	before := machine.ReadJiffies()
	st := r.stage(c)
	st.name = fmt.Sprintf("%s-%s-%d", l.Name, c.Name, round+1)
	values, err := l.run(ctx, st)
	st.close()
	sm := Sample{Load: l.Name, Contender: c.Name, Round: round, Values: values, Faults: st.faults}
	if err != nil {
		sm.Values, sm.Error = nil, err.Error()
	}
	sm.Stolen = machine.ReadJiffies().Since(before)
	r.say("%s, round %d: %s: %v %v %s", l.Name, round+1, c.Name, sm.Values, sm.Faults, sm.Error)
	return sm
}

// say tells how far the run is. That a line could not be written stops nothing.
func (r *Runner) say(format string, args ...any) {
	if r.opts.Log != nil {
		_, _ = fmt.Fprintf(r.opts.Log, format+"\n", args...)
	}
}
