// Command chasqui is a self-hosted WhatsApp gateway. This package parses the
// command line and hands over to the packages that do the work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/fault"
)

// Exit codes, fixed by the command-line contract.
const (
	exitOK         = 0
	exitFailure    = 1
	exitBadOptions = 2
)

// cli is the whole command line.
type cli struct {
	ConfigFile kong.ConfigFlag `name:"config" help:"Configuration file. Default: chasqui.yaml in the current folder, if there is one." placeholder:"PATH"`

	Serve   serveCmd   `cmd:"" help:"Run the gateway, against WhatsApp."`
	Sandbox sandboxCmd `cmd:"" help:"Run the gateway against a simulated WhatsApp network."`
	Network networkCmd `cmd:"" help:"Run the simulated WhatsApp network alone."`
	Demo    demoCmd    `cmd:"" help:"Play a conversation through the whole system and print what a WebSocket client receives."`
	Listen  listenCmd  `cmd:"" help:"Connect to an instance's WebSocket and print its events."`
	Hook    hookCmd    `cmd:"" help:"Receive webhooks: print and verify them, and fail, stall or answer as told."`
	Account accountCmd `cmd:"" help:"Administer accounts and their tokens."`
	Config  configCmd  `cmd:"" help:"Check, print or document the options."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// console is what a command may read, write and wait for.
type console struct {
	ctx    context.Context // ended by the first SIGINT or SIGTERM
	stdout io.Writer
	stderr io.Writer
	parse  *kong.Context
	file   *config.File
}

// badOptions marks an error as the user's: exit 2.
type badOptions struct{ error }

func (e badOptions) Unwrap() error { return e.error }

func main() {
	ctx, stop := context.WithCancel(context.Background())
	watchSignals(stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// watchSignals ends the context at the first signal and the process at the
// second. Its goroutine lives as long as the process.
func watchSignals(stop context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(exitFailure)
	}()
}

// run parses args and executes the command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	con := &console{ctx: ctx, stdout: stdout, stderr: stderr}
	parser, err := newParser(con)
	if err != nil {
		return report(stderr, err)
	}
	parse, err := parser.Parse(args)
	if err != nil {
		return report(stderr, badOptions{err})
	}
	con.parse = parse
	return report(stderr, parse.Run(con))
}

func newParser(con *console) (*kong.Kong, error) {
	load := func(r io.Reader) (kong.Resolver, error) {
		f, err := readConfig(r)
		if err != nil {
			return nil, err
		}
		con.file = f
		return f, nil
	}
	return kong.New(&cli{},
		kong.Name("chasqui"),
		kong.Description("A self-hosted WhatsApp gateway: numbers in, an HTTP API and a live stream of events out."),
		kong.Writers(con.stdout, con.stderr),
		kong.DefaultEnvars("CHASQUI"),
		kong.Configuration(load, "chasqui.yaml"),
	)
}

func readConfig(r io.Reader) (*config.File, error) {
	name := "configuration"
	if f, ok := r.(*os.File); ok {
		name = f.Name()
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return config.ParseFile(name, data)
}

func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(stderr, "chasqui: %v%s\n", err, details(err)) // nowhere left to report a failing stderr
	var bad badOptions
	if errors.As(err, &bad) {
		return exitBadOptions
	}
	return exitFailure
}

// details renders what a fault says of single fields: its message alone leaves
// a person at the command line guessing.
func details(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	var b strings.Builder
	for _, d := range f.Details {
		fmt.Fprintf(&b, "; %s: %s", d.Field, d.Reason)
	}
	return b.String()
}
