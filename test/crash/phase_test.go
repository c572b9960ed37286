package crash_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/internal/proctest"
)

// TestKillInEachPhase: contract/events.md section 5. The gateway is killed twice
// while one delivery waits for its file, one is held by a busy receiver and one
// is parked. Each goes out after that: the body that was not made yet with its
// file and before what its chat wrote behind it, the others byte for byte as
// before, under the same webhook-id and in order.
func TestKillInEachPhase(t *testing.T) {
	network := proctest.Start(t, "network")
	front := apptest.NewFront(t, network.URL)
	data := t.TempDir()
	boot := func() *proctest.Process {
		return proctest.Start(t, "sandbox", "--network", front.URL(), "--data", data, "--listen", "127.0.0.1:0",
			"--account-token", token, "--rate-limit", "0", "--log-format", "json",
			"--webhook-schedule", "100ms,100ms,100ms,100ms,100ms,100ms,100ms,1h")
	}
	g := boot()
	link(t, g)
	waitConnected(t, g)
	with, busy, odd := apptest.NewCollector(t), apptest.NewCollector(t), apptest.NewCollector(t)
	for label, hook := range map[string]object{
		"with": {"url": with.URL, "mediaBase64": true}, "busy": {"url": busy.URL}, "odd": {"url": odd.URL, "ordering": "relaxed"},
	} {
		hook["label"], hook["enabled"], hook["events"] = label, true, []string{"message.exchange"}
		g.Do("POST", "/api/events/webhook/sales", token, hook, nil)
	}
	busy.Always(apptest.Behavior{Status: 503})
	odd.Always(apptest.Behavior{Status: 400})
	front.Hold()
	picture := say(t, network, "5511900000002", object{"media": object{"type": "image", "mimetype": "image/png", "base64": "iVBORw0KGgo="}})
	behind := say(t, network, "5511900000002", object{"text": "behind it"})
	other := say(t, network, "5511900000003", object{"text": "another chat"})
	for range 2 {
		heldFor, parkedFor := len(busy.Deliveries()), len(odd.Deliveries())
		with.Wait(1) // that of the other chat
		busy.Wait(heldFor + 2)
		odd.Wait(parkedFor + 3)
		g.Kill()
		g = boot()
	}
	if got := arrived(with.Deliveries()); !slices.Equal(got, []string{other}) {
		t.Errorf("before the file was there %v came", got)
	}
	if got := arrived(busy.Deliveries()); !slices.Equal(got, []string{picture}) {
		t.Errorf("to the busy receiver went %v", got)
	}
	front.Release()
	busy.Always(apptest.Behavior{})
	odd.Always(apptest.Behavior{})
	waitDelivered(t, g)
	g.Terminate()
	for name, c := range map[string]*apptest.Collector{"with": with, "busy": busy, "odd": odd} {
		want := []string{picture, behind, other}
		if c == with {
			want = []string{other, picture, behind}
		}
		if diff := cmp.Diff(want, arrived(c.Deliveries())); diff != "" {
			t.Errorf("%s: first arrivals (-want +got):\n%s", name, diff)
		}
		sameAtEachAttempt(t, name, c.Deliveries())
	}
	for _, d := range with.Deliveries() {
		if got := d.Get("message.media.base64"); d.Get("message.id") == picture && got != "iVBORw0KGgo=" {
			t.Errorf("the file in the body is %q: %s", got, d.Raw)
		}
	}
}

// say has a person write to the owner and returns the id of the message.
func say(t *testing.T, network *proctest.Process, from string, message object) string {
	t.Helper()
	network.Do("POST", "/sandbox/phones", "", object{"number": from, "name": from}, nil)
	message["to"] = owner
	var sent struct {
		MessageID string `json:"messageId"`
	}
	network.Do("POST", "/sandbox/phones/"+from+"/messages", "", message, &sent)
	return sent.MessageID
}

// arrived are the messages in the order in which they came for the first time.
func arrived(list []apptest.Delivery) []string {
	var ids []string
	for _, d := range list {
		if id := d.Get("message.id"); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// sameAtEachAttempt wants one webhook-id and one body for each message.
func sameAtEachAttempt(t *testing.T, name string, list []apptest.Delivery) {
	t.Helper()
	first := map[string]apptest.Delivery{}
	for _, d := range list {
		id := d.Get("message.id")
		was, ok := first[id]
		if !ok {
			first[id] = d
			continue
		}
		if was.ID != d.ID || string(was.Raw) != string(d.Raw) {
			t.Errorf("%s: message %s came as %s and as %s:\n%s\n%s", name, id, was.ID, d.ID, was.Raw, d.Raw)
		}
	}
}
