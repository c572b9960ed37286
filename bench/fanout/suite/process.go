package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// link asks a process for things, one request and one answer at a time.
type link struct {
	mu  sync.Mutex // one request at a time
	in  io.Writer
	out *json.Decoder
}

func newLink(in io.Writer, out io.Reader) *link { return &link{in: in, out: json.NewDecoder(out)} }

// ask sends a request and decodes the answer.
func (l *link) ask(request, answer any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.in.Write(append(line, '\n')); err != nil {
		return err
	}
	return l.out.Decode(answer)
}

// process is one that was started for the benchmark.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	stderr *bytes.Buffer
}

// start runs a program on one core; it is killed with the context.
func start(ctx context.Context, core int, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), stderr: &bytes.Buffer{}}
	p.cmd.Env, p.cmd.Stderr = append(p.cmd.Environ(), env...), p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := machine.StartOn(core, p.cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill() // it may have ended by itself
	_ = p.cmd.Wait()         // it was killed
}

// failed adds to an error what the process said last.
func (p *process) failed(err error) error {
	if err == nil || p.stderr.Len() == 0 {
		return err
	}
	const most = 2000
	said := p.stderr.Bytes()
	return fmt.Errorf("%w; standard error: %s", err, said[max(len(said)-most, 0):])
}

// crowd is the clients' process.
type crowd struct {
	*process
	link *link
}

func startCrowd(ctx context.Context, core int, self string) (*crowd, error) {
	p, err := start(ctx, core, nil, self, "crowd")
	if err != nil {
		return nil, err
	}
	return &crowd{process: p, link: newLink(p.in, p.out)}, nil
}

// stop lets the crowd reset its connections, so that their ports are free at
// once.
func (c *crowd) stop() {
	_ = c.in.Close()
	kill := time.AfterFunc(crowdEnd, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_ = c.cmd.Wait() // how it ends says nothing about what was measured
}

// crowdEnd is how long a crowd may take to end by itself.
const crowdEnd = 20 * time.Second

func (c *crowd) ask(q wire.CrowdRequest) (wire.CrowdAnswer, error) {
	var a wire.CrowdAnswer
	err := c.link.ask(q, &a)
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		return a, c.failed(fmt.Errorf("crowd: %s: %w", q.Op, err))
	}
	return a, nil
}

func (c *crowd) begin(size int) error {
	_, err := c.ask(wire.CrowdRequest{Op: wire.OpBegin, Size: size})
	return err
}

// await waits until each client of a tally has so many events since begin, or
// patience is at its end.
func (c *crowd) await(each map[string]int) (wire.CrowdAnswer, error) {
	return c.ask(wire.CrowdRequest{Op: wire.OpAwait, Each: each, Timeout: int64(patience)})
}
