//go:build !chasqui_inject

package app

import (
	"github.com/chasqui/chasqui/internal/hub"
	"github.com/chasqui/chasqui/internal/lifecycle"
)

// tuneHub and pushInjection do something only in builds for benchmarks: see
// inject.go.

func tuneHub(opts hub.Options) hub.Options { return opts }

func (*parts) pushInjection(*lifecycle.Stack) {}
