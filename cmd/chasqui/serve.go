package main

import (
	"os"
	"time"

	"github.com/chasqui/chasqui/internal/app"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/demo"
	"github.com/chasqui/chasqui/internal/telemetry"
)

// stopTime is how long a clean stop may take.
const stopTime = 15 * time.Second

type serveCmd struct {
	config.Options `embed:""`
}

// Run serves until the context ends.
func (c *serveCmd) Run(con *console) error {
	if err := c.Check(); err != nil {
		return badOptions{err}
	}
	return serve(con, app.Config{Options: c.Options})
}

type sandboxCmd struct {
	config.Options `embed:""`
	config.Sandbox `embed:""`
}

// Run serves against a simulated network until the context ends.
func (c *sandboxCmd) Run(con *console) error {
	if err := c.check(); err != nil {
		return err
	}
	return serve(con, app.Config{Options: c.Options, Sandbox: &c.Sandbox})
}

func (c *sandboxCmd) check() error {
	if err := c.Options.Check(); err != nil {
		return badOptions{err}
	}
	if err := c.Sandbox.Check(); err != nil {
		return badOptions{err}
	}
	return nil
}

func (con *console) complete(cfg app.Config) app.Config {
	cfg.Version = version
	cfg.Stderr = con.stderr
	cfg.Logger = telemetry.NewLogger(con.stderr, cfg.Options.LogFormat)
	cfg.Values = config.Explain(con.parse, con.file, os.LookupEnv)
	return cfg
}

func serve(con *console, cfg app.Config) error {
	return app.Run(con.ctx, con.complete(cfg), con.stdout, stopTime)
}

type demoCmd struct {
	sandboxCmd `embed:""`

	Keep bool `help:"Go on as a sandbox afterwards and say what to try next."`
}

// Run plays the demo on a temporary folder.
func (c *demoCmd) Run(con *console) error {
	if err := c.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chasqui-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder: the system clears what is left
	c.Data, c.Listen = dir, "127.0.0.1:0"
	cfg := con.complete(app.Config{Options: c.Options, Sandbox: &c.Sandbox})
	cfg.Logger = telemetry.Quiet(cfg.Logger)
	if cfg.Options.AccountToken == "" {
		cfg.Options.AccountToken = app.NewToken()
	}
	token := cfg.Options.AccountToken
	a, err := app.Start(con.ctx, cfg)
	if err != nil {
		return err
	}
	err = demo.Run(con.ctx, demo.Options{URL: a.URL(), Token: token, Color: telemetry.IsTerminal(con.stdout), Out: con.stdout})
	if err == nil && c.Keep {
		demo.Next(con.stdout, a.URL(), token)
		<-con.ctx.Done()
	}
	return app.StopWithin(a, stopTime, err)
}
