package suite

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chasqui/chasqui/bench/fanout/machine"
	"github.com/chasqui/chasqui/bench/fanout/payload"
	"github.com/chasqui/chasqui/bench/fanout/wire"
)

// The loads whose events come through the simulated network, which runs in
// another process.

func mediaLoad(s Scale) Load {
	bound := float64(s.MediaSize)*1.4 + 20<<20
	return Load{
		Name: "media", Title: "An event with a file",
		About: fmt.Sprintf("A file of %d MiB, sent by a simulated phone, as base64 to %d clients. The peak is of resident memory, above that before.",
			s.MediaSize>>20, s.MediaClients),
		Columns: []Column{{Name: "peak", Title: "peak of memory", Unit: Bytes, Goals: bothAtMost(bound, bound)}},
	}
}

const (
	gatewayNumber = "5511900000001"
	personNumber  = "5511900000002"
)

// mediaEvent sends a real file.
func mediaEvent(ctx context.Context, s *stage) (Values, error) {
	sv, c, network, err := s.openLinked(ctx, s.scale.MediaClients)
	if err != nil {
		return nil, err
	}
	config := object{"enabled": true, "mediaBase64": true, "events": []string{"message.exchange"}}
	if err := sv.api.do(ctx, "POST", "/api/events/websocket/"+instancePrefix+"00000", config, nil); err != nil {
		return nil, err
	}
	before, err := sv.memory()
	if err := errors.Join(err, machine.ForgetPeak(sv.pid()), c.begin(0)); err != nil {
		return nil, err
	}
	file := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("chasqui ", s.scale.MediaSize/8)))
	caption := payload.Marker(payload.Event{Number: 1})
	media := object{"type": "document", "mimetype": "application/octet-stream", "fileName": "f", "caption": caption, "base64": file}
	if err := network.do(ctx, "POST", "/sandbox/phones/"+personNumber+"/messages", object{"to": gatewayNumber, "media": media}, nil); err != nil {
		return nil, err
	}
	got, err := c.await(map[string]int{everybody: 1})
	if err != nil {
		return nil, err
	}
	t := got.Tallies[everybody]
	s.check(t, got)
	if least := int64(len(file)) * int64(s.scale.MediaClients); t.Bytes < least {
		s.fault("the clients got %d bytes, the file has %d for them", t.Bytes, least)
	}
	after, err := machine.MemoryOf(sv.pid())
	return Values{"peak": float64(after.Peak - before.Resident)}, err
}

// openLinked starts the simulated network, a gateway whose instance is linked to
// a phone of it, and n clients.
func (s *stage) openLinked(ctx context.Context, n int) (*server, *crowd, *api, error) {
	p, url, err := startListening(ctx, s.clientCore, nil, s.Chasqui, "network")
	if err != nil {
		return nil, nil, nil, err
	}
	s.closers = append(s.closers, p.stop)
	sv, c, err := s.open(ctx, 1, gatewayOptions{network: url})
	if err != nil {
		return nil, nil, nil, err
	}
	network := newAPI(url)
	if err := sv.linkPhone(ctx, network); err != nil {
		return nil, nil, nil, sv.failed(err)
	}
	return sv, c, network, s.connect(ctx, sv, c, 1, n)
}

// linkPhone links the gateway's instance and waits until it is connected.
func (s *server) linkPhone(ctx context.Context, network *api) error {
	for number, name := range map[string]string{gatewayNumber: "Gateway", personNumber: "Ana"} {
		if err := network.do(ctx, "POST", "/sandbox/phones", object{"number": number, "name": name}, nil); err != nil {
			return err
		}
	}
	var qr struct {
		QRCode string `json:"qrCode"`
	}
	name := instancePrefix + "00000"
	if err := s.api.do(ctx, "GET", "/api/instance/connect/"+name, nil, &qr); err != nil {
		return err
	}
	if err := network.do(ctx, "POST", "/sandbox/phones/"+gatewayNumber+"/scan", object{"qrCode": qr.QRCode}, nil); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var list struct {
			Instances []struct {
				Status string `json:"status"`
			} `json:"instances"`
		}
		if err := s.api.do(ctx, "GET", "/api/instance/list?instanceName="+name, nil, &list); err != nil {
			return err
		}
		if len(list.Instances) == 1 && list.Instances[0].Status == "connected" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func networkLoad(s Scale) Load {
	return Load{
		Name: "network", Title: "Through the simulated network",
		About: fmt.Sprintf("%d text messages a second of 1 KB from a simulated phone to %d clients: encrypted, decrypted, recorded, numbered, sent. "+
			"Latency is from the phone's order to the client's process.", networkRate, s.Clients),
		Columns: []Column{
			{Name: "p50", Title: "p50", Unit: Nanoseconds},
			{Name: "p99", Title: "p99", Unit: Nanoseconds},
			{Name: "cpu", Title: "CPU per delivery", Unit: Nanoseconds},
		},
	}
}

// networkRate is how many messages a second the phone sends.
const networkRate = 20

func throughNetwork(ctx context.Context, s *stage) (Values, error) {
	sv, c, network, err := s.openLinked(ctx, s.scale.Clients)
	if err != nil {
		return nil, err
	}
	clock, err := machine.NewClock()
	if err != nil {
		return nil, err
	}
	number := uint32(0)
	send := func() error {
		number++
		text := payload.Marker(payload.Event{Number: number, At: clock.Now()}) + strings.Repeat("x", kilobyte/2)
		return network.do(ctx, "POST", "/sandbox/phones/"+personNumber+"/messages", object{"to": gatewayNumber, "text": text}, nil)
	}
	if err := errors.Join(c.begin(0), send()); err != nil { // makes the session
		return nil, err
	}
	if _, err := c.await(map[string]int{everybody: 1}); err != nil {
		return nil, err
	}
	before, err1 := sv.ask(wire.Request{Op: wire.OpStats})
	if err := errors.Join(err1, c.begin(0)); err != nil {
		return nil, err
	}
	p := steady(networkRate, s.scale.LatencyTime)
	pace := time.NewTicker(p.every)
	defer pace.Stop()
	for range p.rounds {
		if err := send(); err != nil {
			return nil, err
		}
		<-pace.C
	}
	got, err2 := c.await(map[string]int{everybody: p.rounds})
	after, err3 := sv.ask(wire.Request{Op: wire.OpStats})
	t := got.Tallies[everybody]
	s.check(t, got)
	m := measured{tally: t, cpu: time.Duration(after.CPU - before.CPU)}
	return Values{"p50": float64(t.P50), "p99": float64(t.P99), "cpu": m.perDelivery()}, errors.Join(err2, err3)
}
