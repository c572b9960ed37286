package report

import (
	"slices"

	"github.com/chasqui/chasqui/bench/fanout/suite"
)

// figure is a median with its spread.
type figure struct {
	median, low, high float64
	n                 int
}

func figureOf(values []float64) figure {
	if len(values) == 0 {
		return figure{}
	}
	slices.Sort(values)
	mid := len(values) / 2
	f := figure{median: values[mid], low: values[0], high: values[len(values)-1], n: len(values)}
	if len(values)%2 == 0 {
		f.median = (values[mid-1] + values[mid]) / 2
	}
	return f
}

// summary looks samples up.
type summary struct {
	names   []string // contenders, in the order of the first samples by round and list
	samples map[key]suite.Sample
	rounds  int
}

type key struct {
	load, contender string
	round           int
}

func summarize(r *suite.Result) *summary {
	s := &summary{samples: map[key]suite.Sample{}}
	for _, sm := range r.Samples {
		s.samples[key{sm.Load, sm.Contender, sm.Round}] = sm
		s.rounds = max(s.rounds, sm.Round+1)
	}
	for _, name := range suite.Names() {
		if slices.ContainsFunc(r.Samples, func(sm suite.Sample) bool { return sm.Contender == name }) {
			s.names = append(s.names, name)
		}
	}
	return s
}

// takers are the contenders that have samples of a load.
func (s *summary) takers(load string) []string {
	return slices.DeleteFunc(slices.Clone(s.names), func(name string) bool {
		_, ok := s.samples[key{load, name, 0}]
		return !ok
	})
}

// value is the figure of a contender over all rounds that have it.
func (s *summary) value(load, contender, column string) figure {
	return s.each(func(round int) (float64, bool) {
		v, ok := s.samples[key{load, contender, round}].Values[column]
		return v, ok
	})
}

// ratio is the figure divided by that of another contender in the same round.
func (s *summary) ratio(load, contender, column, base string) figure {
	return s.each(func(round int) (float64, bool) {
		v, ok1 := s.samples[key{load, contender, round}].Values[column]
		b, ok2 := s.samples[key{load, base, round}].Values[column]
		return v / b, ok1 && ok2 && b != 0
	})
}

func (s *summary) each(of func(round int) (float64, bool)) figure {
	var values []float64
	for round := range s.rounds {
		if v, ok := of(round); ok {
			values = append(values, v)
		}
	}
	return figureOf(values)
}

// troubles are the errors and faults of a load, as sentences.
func (s *summary) troubles(load string) []string {
	var list []string
	for _, name := range s.takers(load) {
		for round := range s.rounds {
			sm := s.samples[key{load, name, round}]
			for _, fault := range sm.Faults {
				list = append(list, name+": "+fault)
			}
			if sm.Error != "" {
				list = append(list, name+": no figures: "+sm.Error)
			}
		}
	}
	return slices.Compact(list)
}

// reached says whether a figure keeps a goal.
func reached(f figure, g suite.Goal) bool {
	if g.AtLeast {
		return f.median >= g.Bound
	}
	return f.median <= g.Bound
}
