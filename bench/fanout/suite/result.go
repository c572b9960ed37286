package suite

import (
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
)

// Result is everything that one run of the benchmark measured.
type Result struct {
	Machine machine.Description `json:"machine"`
	Started time.Time           `json:"started"`
	Took    time.Duration       `json:"took"` // nanoseconds
	Stolen  float64             `json:"stolen"`
	Scale   Scale               `json:"scale"`
	Loads   []Load              `json:"loads"`
	Samples []Sample            `json:"samples"`
	Growth  []Point             `json:"growth,omitempty"`
	// GrowthError is why Growth is not whole.
	GrowthError string `json:"growthError,omitempty"`
}

// Load describes one kind of measurement.
type Load struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	About   string   `json:"about"` // what was done, for the page
	Columns []Column `json:"columns"`
}

// Column is one figure of a load.
type Column struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  Unit   `json:"unit"`
	// Base is the contender that figures are divided by; empty: none.
	Base string `json:"base,omitempty"`
	// Goals are what is to be reached, by contender: of the ratio if there is a
	// Base, else of the figure.
	Goals map[string]Goal `json:"goals,omitempty"`
}

// Goal is a bound.
type Goal struct {
	Bound   float64 `json:"bound"`
	AtLeast bool    `json:"atLeast,omitempty"` // else at most
}

// Unit is how figures are written.
type Unit string

// The units.
const (
	Nanoseconds Unit = "ns"
	Bytes       Unit = "B"
	PerSecond   Unit = "1/s"
	BytesRate   Unit = "B/s"
	Number      Unit = ""
)

// Sample is one contender under one load in one round.
type Sample struct {
	Load      string   `json:"load"`
	Contender string   `json:"contender"`
	Round     int      `json:"round"`
	Values    Values   `json:"values,omitempty"`
	Faults    []string `json:"faults,omitempty"` // what a correct server does not do
	Error     string   `json:"error,omitempty"`  // why there are no values
	Stolen    float64  `json:"stolen"`           // share of the machine's CPU time that others had
}
