// Command fanout measures how chasqui tells many WebSocket clients the same, and
// how others do: see README.md beside it. The same program is the benchmark, the
// servers that chasqui is compared with, and the crowd of clients.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chasqui/chasqui/bench/fanout/crowd"
	"github.com/chasqui/chasqui/bench/fanout/peer"
	"github.com/chasqui/chasqui/bench/fanout/report"
	"github.com/chasqui/chasqui/bench/fanout/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say run, peer NAME or crowd")
	}
	switch args[0] {
	case "run":
		return benchmark(ctx, args[1:])
	case "report":
		return rewrite(args[1:])
	case "crowd":
		return crowd.Run(ctx, int(os.Stdin.Fd()), os.Stdout)
	case "peer":
		if len(args) != 2 {
			return fmt.Errorf("say one of %s", strings.Join(peer.Names(), ", "))
		}
		return peer.Run(ctx, args[1], os.Stdin, os.Stdout)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// outputs are the files that a run writes.
type outputs struct{ json, page, plot string }

func (o *outputs) flags(f *flag.FlagSet) {
	f.StringVar(&o.json, "json", "", "file for the results")
	f.StringVar(&o.page, "page", "", "file for the tables, Markdown")
	f.StringVar(&o.plot, "plot", "", "file for the plot, SVG, in the folder of the page")
}

func benchmark(ctx context.Context, args []string) error {
	var o outputs
	opts := suite.Options{Log: os.Stderr}
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	quick := f.Bool("quick", false, "small loads, to see whether everything works")
	rounds := f.Int("rounds", 0, "how often every load is repeated; 0: as the scale says")
	loads := f.String("loads", "", "only these, separated by commas; "+suite.Growth+" is one")
	only := f.String("contenders", "", "only these, separated by commas")
	f.StringVar(&opts.Chasqui, "chasqui", "", "the gateway's binary, built with -tags chasqui_inject; empty: without chasqui")
	f.StringVar(&opts.Nobody, "nobody", "", "file with what go test -bench PublishNobody -benchmem has printed; empty: without it")
	f.StringVar(&opts.Node, "node", "", "folder of the Node servers; empty: without them")
	f.StringVar(&opts.Profiles, "profiles", "", "folder for a CPU profile of each sample; they cost some CPU; empty: none")
	o.flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	opts.Loads, opts.Only = list(*loads), list(*only)
	opts.Scale = suite.ScaleFor(*quick, *rounds)
	var err error
	if opts.Self, err = os.Executable(); err != nil {
		return err
	}
	if opts.Profiles != "" {
		if opts.Profiles, err = filepath.Abs(opts.Profiles); err == nil {
			err = os.MkdirAll(opts.Profiles, 0o755)
		}
		if err != nil {
			return err
		}
	}
	r, err := suite.New(opts)
	if err != nil {
		return err
	}
	res, err := r.Run(ctx)
	if err != nil {
		return err
	}
	return o.write(res)
}

// rewrite writes page and plot of an earlier run again.
func rewrite(args []string) error {
	var o outputs
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	o.flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(o.json)
	if err != nil {
		return err
	}
	var res suite.Result
	if err := json.Unmarshal(text, &res); err != nil {
		return err
	}
	return o.write(&res)
}

func (o *outputs) write(res *suite.Result) error {
	text, err := json.MarshalIndent(res, "", " ")
	if err != nil {
		return err
	}
	if o.json != "" {
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	page := report.Page(res, o.plot)
	if o.page == "" {
		_, err := os.Stdout.WriteString(page)
		return err
	}
	return errors.Join(os.WriteFile(o.page, []byte(page), 0o644), report.WritePlot(res, o.page, o.plot))
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
