package suite

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Point is one contender with one number of clients.
type Point struct {
	Contender string  `json:"contender"`
	Clients   int     `json:"clients"`
	CPU       float64 `json:"cpu"`    // per delivery, nanoseconds
	P50       float64 `json:"p50"`    // nanoseconds
	P99       float64 `json:"p99"`    // nanoseconds
	Memory    float64 `json:"memory"` // resident, per client, bytes; that of the server alone is subtracted

	Faults []string `json:"faults,omitempty"`
}

// growing are the contenders of the chart.
var growing = []string{raw, epoll, portable, "gorilla", "ws"}

// grow measures one server with ever more clients. It returns the points up to
// the error.
func grow(ctx context.Context, s *stage) ([]Point, error) {
	sv, c, err := s.open(ctx, 1, gatewayOptions{})
	if err != nil {
		return nil, err
	}
	alone, err := sv.memory()
	if err != nil {
		return nil, err
	}
	var points []Point
	connected := 0
	for _, n := range s.scale.Growth {
		if err := s.connect(ctx, sv, c, 1, n-connected); err != nil {
			return points, err
		}
		connected = n
		with, err := sv.memory()
		if err != nil {
			return points, err
		}
		m, err := s.measure(sv, c, publication{size: kilobyte, burst: 1, rounds: s.scale.GrowthEvents, every: growthPause(n)})
		points = append(points, Point{
			Contender: s.contender.Name, Clients: n, CPU: m.perDelivery(), P50: float64(m.tally.P50), P99: float64(m.tally.P99),
			Memory: float64(with.Resident-alone.Resident) / float64(n), Faults: s.faults,
		})
		s.faults = nil
		if err != nil {
			return points, err
		}
	}
	return points, nil
}

// growthPause leaves a slow contender time for an event to n clients.
func growthPause(n int) time.Duration {
	const perClient = 20 * time.Microsecond
	return max(10*time.Millisecond, time.Duration(n)*perClient)
}

// growAll measures all contenders of the chart.
func (r *Runner) growAll(ctx context.Context, chosen []Contender) ([]Point, error) {
	var points []Point
	var failed error
	for _, c := range chosen {
		if !slices.Contains(growing, c.Name) {
			continue
		}
		r.say("growth: %s", c.Name)
		s := r.stage(c)
		s.name = Growth + "-" + c.Name
		p, err := grow(ctx, s)
		s.close()
		points = append(points, p...)
		failed = errors.Join(failed, err)
	}
	return points, failed
}
