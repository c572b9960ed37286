// Package wire is how the benchmark's processes talk: lines of JSON over
// standard input and output, or over chasqui's injection socket; one request,
// one answer.
package wire

// What a server is asked for.
const (
	OpPublish = "publish" // make events; answered when all are handed over
	OpStats   = "stats"   // CPU time, allocations, clients
	OpCollect = "collect" // collect garbage and give memory back
	OpProfile = "profile" // end the CPU profile and begin one in File, unless that is empty
)

// Request is what a server is asked for. The fields after Op belong to
// OpPublish: Rounds bursts of Burst events of Size bytes, a burst every Every
// nanoseconds (0: at once), to Instances instances in turn, whose names are
// Prefix and a number of five digits, from First on. Servers that know no
// instances have one.
type Request struct {
	Op        string `json:"op"`
	Prefix    string `json:"prefix,omitempty"`
	First     int    `json:"first,omitempty"`
	Instances int    `json:"instances,omitempty"`
	Size      int    `json:"size,omitempty"`
	Burst     int    `json:"burst,omitempty"`
	Rounds    int    `json:"rounds,omitempty"`
	Every     int64  `json:"every,omitempty"`
	File      string `json:"file,omitempty"` // of OpProfile
}

// Answer is a server's. An Error means that it could not do what it was asked
// for.
type Answer struct {
	Error   string `json:"error,omitempty"`
	Events  int    `json:"events,omitempty"`  // made since the request
	CPU     int64  `json:"cpu,omitempty"`     // user and system time of the process, nanoseconds
	Mallocs uint64 `json:"mallocs,omitempty"` // allocations since start; 0 where they are not counted
	Clients int    `json:"clients"`           // connected now
}

// Listening is the line that a server of ours begins with.
type Listening struct {
	Address string `json:"address"` // host:port
}
