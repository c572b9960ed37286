package sandbox

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/chasqui/chasqui/wasim"
)

// Bounds of what a request may ask for.
const (
	maxFaultSeconds = 7 * 24 * 3600
	maxFaultDelay   = 60_000
	maxFaultCount   = 10_000
	maxLoadRate     = 10_000
	maxLoadSeconds  = 3600
	maxLoadSize     = 16 << 20
)

func (s *sandbox) makeFault(r *http.Request) (answer, error) {
	f, err := readForm(r)
	if err != nil {
		return answer{}, err
	}
	fault := readFault(f)
	if err = f.err(); err != nil {
		return answer{}, err
	}
	field := "target"
	if fault.Kind == "media_gone" {
		field = "messageId"
	}
	return answer{}, fromNetwork(s.network.Fault(fault), field)
}

// readFault reads the fields that belong to a kind of fault.
func readFault(f *form) wasim.Fault {
	out := wasim.Fault{Kind: f.oneOf("kind", wasim.FaultKinds()...)}
	if out.Kind == "" {
		return out
	}
	if out.Kind != "server_down" && (out.Kind != "media_gone" || f.has("target")) {
		out.Target = f.phone("target")
	}
	switch out.Kind {
	case "stream_error":
		out.Code = f.requiredInteger("code", 1, 9999)
	case "temp_ban":
		out.Code, out.Seconds = f.integer("code", 1, 9999), f.integer("seconds", 1, math.MaxInt32)
	case "delay":
		out.MS = f.requiredInteger("ms", 0, maxFaultDelay)
	case "lose_ack", "redeliver", "reorder":
		out.Count = f.requiredInteger("count", 1, maxFaultCount)
	case "media_gone":
		out.MessageID, out.Final = f.requiredText("messageId"), f.boolean("final")
	case "server_down":
		out.Seconds = f.requiredInteger("seconds", 1, maxFaultSeconds)
	}
	return out
}

func (f *form) requiredInteger(name string, lowest, highest int) int {
	f.require(name, true)
	return f.integer(name, lowest, highest)
}

// loadGrace is how much longer than its time a load may take.
const loadGrace = 30 * time.Second

func (s *sandbox) makeLoad(r *http.Request) (answer, error) {
	f, err := readForm(r)
	if err != nil {
		return answer{}, err
	}
	load := s.readLoad(f)
	if err = f.err(); err != nil {
		return answer{}, err
	}
	limit := time.Duration(load.Seconds*float64(time.Second)) + loadGrace
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	result, err := s.network.Load(ctx, load)
	if err != nil {
		return answer{}, fromNetwork(err, "to")
	}
	return answer{fields: map[string]any{"sent": result.Sent, "messages": viewLoad(result)}}, nil
}

func (s *sandbox) readLoad(f *form) wasim.Load {
	load := wasim.Load{
		From: f.numbers("from"), To: f.texts("to"), Kind: f.text("kind"), Size: f.integer("size", 0, maxLoadSize),
		Rate: f.decimal("rate", 0.01, maxLoadRate), Seconds: f.decimal("seconds", 0.01, maxLoadSeconds),
	}
	f.require("from", len(load.From) > 0)
	f.require("to", len(load.To) > 0)
	for i, from := range load.From {
		if _, known := s.network.FindPhone(from); isNumber(from) && !known {
			f.wrong(fmt.Sprintf("from[%d]", i), unknownPhone)
		}
	}
	for i, to := range load.To {
		if to != "" && !isChat(to) {
			f.wrong(fmt.Sprintf("to[%d]", i), "must be a number of 7 to 15 digits or a group's address")
		}
	}
	if f.has("kind") {
		load.Kind = f.oneOf("kind", "text", "image")
	}
	return load
}

// sentView is one message of a load as answers show it.
type sentView struct {
	ID   string    `json:"id"`
	From string    `json:"from"`
	To   string    `json:"to"`
	At   time.Time `json:"at"`
}

func viewLoad(result wasim.LoadResult) []sentView {
	out := make([]sentView, len(result.Messages))
	for i, m := range result.Messages {
		out[i] = sentView{m.ID, m.From, m.To, m.At.UTC()}
	}
	return out
}
