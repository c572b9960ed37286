package main

import (
	"time"

	"github.com/chasqui/chasqui/internal/receiver"
	"github.com/chasqui/chasqui/internal/telemetry"
)

// hookCmd has environment names of its own: the gateway's listen is not meant
// for it.
type hookCmd struct {
	Listen string `default:"127.0.0.1:9000" env:"CHASQUI_HOOK_LISTEN" help:"Address to listen on; port 0 picks a free one."`
	Secret string `env:"CHASQUI_HOOK_SECRET" placeholder:"whsec_..." help:"Secret of the webhook: signatures are checked, wrong ones answered 401. The variable keeps it out of the list of processes."`

	Status     int           `env:"CHASQUI_HOOK_STATUS" help:"Answer with this status. Default: 200; 503 with --retry-after, --fail-first or --fail-every."`
	Answer     string        `env:"CHASQUI_HOOK_ANSWER" help:"Text of the answer." placeholder:"TEXT"`
	RetryAfter int           `env:"CHASQUI_HOOK_RETRY_AFTER" help:"Send Retry-After." placeholder:"SECONDS"`
	Stall      time.Duration `env:"CHASQUI_HOOK_STALL" help:"Wait before the answer, as 20s or 5m." placeholder:"DURATION"`
	Reset      bool          `env:"CHASQUI_HOOK_RESET" help:"Reset the connection instead of answering."`
	FailFirst  int           `env:"CHASQUI_HOOK_FAIL_FIRST" help:"All this only to the first N attempts; the others are answered 200." placeholder:"N"`
	FailEvery  int           `env:"CHASQUI_HOOK_FAIL_EVERY" help:"All this only to each Nth attempt; the others are answered 200." placeholder:"N"`

	Count int  `env:"CHASQUI_HOOK_COUNT" help:"End with exit code 0 after N accepted deliveries, repeats not counted." placeholder:"N"`
	Raw   bool `env:"CHASQUI_HOOK_RAW" help:"Print nothing on standard output but each accepted body, once, one a line."`
}

// Run receives until the context ends or --count is reached.
func (c *hookCmd) Run(con *console) error {
	r, err := receiver.New(receiver.Options{
		Listen: c.Listen, Secret: c.Secret, Count: c.Count, Raw: c.Raw,
		Plan: receiver.Plan{
			Status: c.Status, Answer: c.Answer, RetryAfter: c.RetryAfter, Stall: c.Stall, Reset: c.Reset,
			FailFirst: c.FailFirst, FailEvery: c.FailEvery,
		},
		Color: telemetry.IsTerminal(con.stdout), Out: con.stdout, Notes: con.stderr,
	})
	if err != nil {
		return badOptions{err}
	}
	return r.Run(con.ctx)
}
