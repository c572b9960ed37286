package hub_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/hub"
)

// portable says in which of its two forms the hub is under test. TestMain alone
// changes it, while no test runs.
var portable bool

// newHub is a hub in the form under test.
func newHub(opts hub.Options) *hub.Hub {
	opts.Portable = opts.Portable || portable
	return hub.New(opts)
}

// bothForms runs every test over each form of the hub that the system has.
// Benchmarks and fuzzing run once: they name the form themselves, or have none.
type bothForms struct{ m *testing.M }

func (b bothForms) Run() int {
	for _, name := range []string{"test.bench", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return b.m.Run()
		}
	}
	if runtime.GOOS == "linux" {
		fmt.Println("hub: plain connections by epoll")
		if code := b.m.Run(); code != 0 {
			return code
		}
	}
	fmt.Println("hub: plain connections in the portable form")
	portable = true
	return b.m.Run()
}

func TestMain(m *testing.M) {
	if os.Getenv(crowdEnv) != "" {
		if err := beCrowd(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	goleak.VerifyTestMain(bothForms{m})
}

// A plain connection is served in the form that the test run says, so that
// every test is about that form.
func TestFormUnderTest(t *testing.T) {
	p := open(t, hub.Options{})
	p.alive(p.dial(""))
	want := 1
	if portable || runtime.GOOS != "linux" {
		want = 0
	}
	if st := p.hub.Stats(); st.Clients != 1 || st.Polled != want {
		t.Errorf("%d of %d clients by epoll, want %d of 1", st.Polled, st.Clients, want)
	}
}
