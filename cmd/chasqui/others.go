package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/chasqui/chasqui/internal/app"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/listen"
	"github.com/chasqui/chasqui/internal/telemetry"
)

// version and commit are set by the linker.
var (
	version = "dev"
	commit  = "unknown"
)

// networkCmd takes its address from nowhere where the gateway's may stand.
type networkCmd struct {
	Listen    string `default:"127.0.0.1:0" env:"CHASQUI_NETWORK_LISTEN" help:"Loopback address to listen on; port 0 picks a free one."`
	LogFormat string `key:"log_format" enum:",text,json" default:"" help:"text or json. Default: text on a terminal, else json."`
}

// Run serves the simulated network until the context ends.
func (c *networkCmd) Run(con *console) error {
	if err := config.CheckLoopback("listen", c.Listen); err != nil {
		return badOptions{err}
	}
	return app.RunNetwork(con.ctx, c.Listen, con.stdout, telemetry.NewLogger(con.stderr, c.LogFormat))
}

type listenCmd struct {
	Instance string      `arg:"" help:"Name of the instance."`
	URL      string      `default:"http://127.0.0.1:8080" help:"Address of the gateway."`
	Token    string      `env:"CHASQUI_TOKEN" help:"Account or instance token; the variable keeps it out of the list of processes."`
	Events   config.List `help:"Show only these event types."`
	Raw      bool        `help:"Print frames as they came, one a line."`
}

// Run prints events until the context ends.
func (c *listenCmd) Run(con *console) error {
	l, err := listen.New(listen.Options{
		URL: c.URL, Instance: c.Instance, Token: c.Token, Events: c.Events, Raw: c.Raw,
		Color: telemetry.IsTerminal(con.stdout), Out: con.stdout, Notes: con.stderr,
	})
	if err != nil {
		return badOptions{err}
	}
	return l.Run(con.ctx)
}

type versionCmd struct{}

// Run prints the version, commit, Go and engine.
func (c *versionCmd) Run(con *console) error {
	engine := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "go.mau.fi/whatsmeow" {
				engine = "whatsmeow " + m.Version
			}
		}
	}
	_, err := fmt.Fprintf(con.stdout, "chasqui %s\ncommit  %s\ngo      %s\nengine  %s\n", version, commit, runtime.Version(), engine)
	return err
}
