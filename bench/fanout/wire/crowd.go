package wire

// What a crowd of clients is asked for.
const (
	OpConnect = "connect" // open connections
	OpBegin   = "begin"   // forget what was counted
	OpAwait   = "await"   // wait for events, answer what was counted
	OpStall   = "stall"   // some stop reading
	OpDrain   = "drain"   // those read again until the server has ended them
)

// CrowdRequest is what a crowd is asked for.
type CrowdRequest struct {
	Op      string   `json:"op"`
	Connect *Connect `json:"connect,omitempty"`
	// Size is how long every frame's payload must be from OpBegin on; 0: any.
	Size int `json:"size,omitempty"`
	// Each is how many events every client of a tally gets between OpBegin and
	// OpAwait.
	Each map[string]int `json:"each,omitempty"`
	// Timeout bounds OpAwait and OpDrain, in nanoseconds.
	Timeout int64 `json:"timeout,omitempty"`
	// Clients is how many stall; those that were connected first.
	Clients int `json:"clients,omitempty"`
}

// Connect says how connections are opened.
type Connect struct {
	Address string `json:"address"`
	TLS     bool   `json:"tls,omitempty"` // the connections are only held, nothing is counted
	// ReceiveBuffer is SO_RCVBUF of the sockets in bytes; 0: as the system likes.
	ReceiveBuffer int `json:"receiveBuffer,omitempty"`
	// Path is asked for; a verb in it, as in /ws/bench%05d, is the number of the
	// instance. Each of Instances gets Each clients.
	Path      string            `json:"path"`
	Instances int               `json:"instances"`
	Each      int               `json:"each"`
	Header    map[string]string `json:"header,omitempty"`
	// Hello is sent after the upgrade; Replies are the texts that a text has to
	// be answered with, exactly.
	Hello   string            `json:"hello,omitempty"`
	Replies map[string]string `json:"replies,omitempty"`
	Tally   string            `json:"tally"` // under which name these clients count
	Made    uint32            `json:"made"`  // events that were made before
}

// CrowdAnswer is a crowd's. An Error means that it could not do what it was
// asked for.
type CrowdAnswer struct {
	Error   string           `json:"error,omitempty"`
	Clients int              `json:"clients"` // connected now
	Tallies map[string]Tally `json:"tallies,omitempty"`
	Ended   int              `json:"ended,omitempty"` // connections that the server ended while they read
	Cut     int              `json:"cut,omitempty"`   // connections that the server ended because they stalled
	Codes   map[int]int      `json:"codes,omitempty"` // those with a close frame, by code
	CPU     int64            `json:"cpu,omitempty"`   // of the crowd since it began, nanoseconds
}

// Tally is what was counted since OpBegin for the clients of one name. Times
// are nanoseconds; First and Last are of the machine's monotonic clock.
type Tally struct {
	Deliveries int64 `json:"deliveries"`
	Short      int64 `json:"short,omitempty"`    // deliveries that had not come by the deadline
	Missing    int64 `json:"missing,omitempty"`  // skipped: a later event came first
	Repeated   int64 `json:"repeated,omitempty"` // the event before came again
	Late       int64 `json:"late,omitempty"`     // an older one came
	Odd        int64 `json:"odd,omitempty"`      // frames of the wrong length, or fragments
	Bytes      int64 `json:"bytes"`
	P50        int64 `json:"p50"`
	P99        int64 `json:"p99"`
	Max        int64 `json:"max"`
	First      int64 `json:"first"` // the first event was made
	Last       int64 `json:"last"`  // the last one arrived
}

// Faults is how many deliveries were not as they must be.
func (t Tally) Faults() int64 { return t.Short + t.Missing + t.Repeated + t.Late + t.Odd }
