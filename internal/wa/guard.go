package wa

import (
	"errors"
	"sync"

	"go.mau.fi/whatsmeow"
)

// liveRoot is the root of trust that whatsmeow was compiled with. Package
// variables are set before any code can install another one.
var liveRoot = whatsmeow.WACertPubKey

// The reasons why an engine or a connection is refused: a process serves the
// real WhatsApp or a simulated one, never both.
var (
	errSandboxRoot = errors.New("wa: a sandbox root of trust is installed in this process: refusing to make a live engine")
	errLiveRoot    = errors.New("wa: no sandbox root of trust is installed: refusing to make a sandbox engine")
	errMixed       = errors.New("wa: this process already has an engine of the other kind: live and sandbox never mix")
	errRootChanged = errors.New("wa: the root of trust does not fit this engine any more: refusing to connect")
)

// processMode remembers which kind of engine the process made first.
var processMode struct {
	sync.Mutex // guards the fields below
	chosen     bool
	sandbox    bool
}

// checkRoot reports whether the installed root of trust fits the mode.
func checkRoot(sandbox bool) error {
	installed := whatsmeow.WACertPubKey != liveRoot
	switch {
	case sandbox && !installed:
		return errLiveRoot
	case !sandbox && installed:
		return errSandboxRoot
	}
	return nil
}

// claimMode settles the process's mode with the first engine.
func claimMode(sandbox bool) error {
	if err := checkRoot(sandbox); err != nil {
		return err
	}
	processMode.Lock()
	defer processMode.Unlock()
	if processMode.chosen && processMode.sandbox != sandbox {
		return errMixed
	}
	processMode.chosen, processMode.sandbox = true, sandbox
	return nil
}
