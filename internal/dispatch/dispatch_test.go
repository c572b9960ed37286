package dispatch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/dispatch/dispatchtest"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/lifecycle"
	"github.com/chasqui/chasqui/internal/lifecycle/lifecycletest"
	"github.com/chasqui/chasqui/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sales = "instance-sales"

// reader is a stream that keeps what it is given, as one connected client.
type reader struct {
	mu   sync.Mutex
	idle bool
	got  []envelope
}

// envelope is what a client sees of an event.
type envelope struct {
	Event string
	Data  struct {
		ID      string
		State   string
		Message struct {
			Media struct{ Base64, Error, S3URL string }
		}
	}
	InstanceData struct{ BaseURL, Instance, Token string }
	Meta         struct {
		ID       string
		Sequence int64
	}
}

func (r *reader) Idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idle
}

func (r *reader) setIdle(idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = idle
}

func (r *reader) Publish(_ int, encode func([]byte) ([]byte, error)) error {
	b, err := encode(nil)
	if err != nil {
		return err
	}
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, e)
	return nil
}

// sequences returns what came so far.
func (r *reader) sequences() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []int64{}
	for _, e := range r.got {
		list = append(list, e.Meta.Sequence)
	}
	return list
}

func (r *reader) last() envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[len(r.got)-1]
}

func (r *reader) Stream(string) dispatch.Stream { return r }

// desk is a dispatcher with one open instance and one reader.
type desk struct {
	*dispatch.Dispatcher
	t     testing.TB
	store *dispatchtest.Store
	files *dispatchtest.Files
	read  *reader
}

func open(t testing.TB, opts dispatch.Options) *desk {
	t.Helper()
	d := &desk{t: t, store: &dispatchtest.Store{}, files: &dispatchtest.Files{}, read: &reader{}}
	opts.BaseURL = func() string { return "https://api.example.com" }
	d.Dispatcher = dispatch.New(d.store, d.read, d.files, opts)
	if err := d.Open(t.Context(), dispatch.Origin{InstanceID: sales, Name: "sales", Token: "the-token"}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) set(ws dispatch.WebSocket) {
	d.t.Helper()
	if _, err := d.SetWebSocket(d.t.Context(), sales, ws); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) publish(items ...dispatch.Item) {
	d.t.Helper()
	if err := d.Publish(d.t.Context(), sales, items...); err != nil {
		d.t.Error(err)
	}
}

func (d *desk) stop() {
	d.t.Helper()
	if err := d.Stop(d.t.Context()); err != nil {
		d.t.Error(err)
	}
}

// stopAfter stops when n events have come: a stop gives up files that are not
// there yet.
func (d *desk) stopAfter(n int) {
	d.t.Helper()
	eventually(d.t, fmt.Sprint(n, " events"), func() bool { return len(d.read.sequences()) >= n })
	d.stop()
}

func (d *desk) want(sequences ...int64) {
	d.t.Helper()
	if diff := cmp.Diff(sequences, d.read.sequences(), cmpopts.EquateEmpty()); diff != "" {
		d.t.Errorf("sequences: %s", diff)
	}
}

func state() dispatch.Item {
	return dispatch.Item{Data: &event.State{State: "connected", Instance: "sales"}}
}

func chat(jid string) event.Chat {
	return event.Chat{Address: event.Address{JID: &jid}, Type: event.ChatPrivate}
}

func message(in, id string) dispatch.Item {
	return dispatch.Item{
		Data:    &event.Message{ID: id, Body: event.MessageBody{ID: id, Chat: chat(in), Type: "text"}},
		Message: &dispatch.MessageRecord{ID: id, ChatKey: in, SenderKey: in},
	}
}

// picture is a message whose file is the one at path id, of 3 bytes.
func picture(in, id string) dispatch.Item {
	item := message(in, id)
	item.Data.(*event.Message).Body.Media = &event.Media{Type: "image", Size: 3}
	item.Media = &media.Ref{Kind: "image", DirectPath: id, Size: 3}
	return item
}

func receipt(in string) dispatch.Item {
	return dispatch.Item{Data: &event.Status{Status: "read", Chat: chat(in)}}
}

var everything = dispatch.WebSocket{Enabled: true}

// Section 6: the envelope names the instance; the token is left out unless the
// operator includes it.
func TestEnvelope(t *testing.T) {
	for _, include := range []bool{false, true} {
		d := open(t, dispatch.Options{IncludeToken: include})
		d.set(everything)
		d.publish(state())
		got := d.read.last()
		want := map[bool]string{true: "the-token"}[include]
		if got.InstanceData.BaseURL != "https://api.example.com" || got.InstanceData.Instance != "sales" || got.InstanceData.Token != want {
			t.Errorf("instanceData %+v, include_token %v", got.InstanceData, include)
		}
		if err := d.Open(t.Context(), dispatch.Origin{InstanceID: sales, Name: "sales", Token: "rotated"}); err != nil {
			t.Fatal(err)
		}
		d.publish(state())
		if got := d.read.last(); include && got.InstanceData.Token != "rotated" {
			t.Errorf("token %q after a change of origin", got.InstanceData.Token)
		}
	}
}

// Section 6: meta.sequence rises by one for each event, wanted or not; a filter
// shows as jumps. Repeats of a message are no events.
func TestSequenceCountsEveryEvent(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.publish(state()) // before any configuration: recorded, wanted by nobody
	d.set(dispatch.WebSocket{Enabled: true, Events: []event.Type{event.TypeMessage}})
	d.publish(message("a", "1"), state(), message("a", "2"))
	d.publish(message("a", "1"))
	d.publish(dispatch.Item{}, message("a", "3"))
	d.want(2, 4, 5)
	if recorded, handed := d.Produced(); recorded != 5 || handed != 3 {
		t.Errorf("Produced: %d recorded, %d handed on; want 5, 3", recorded, handed)
	}
}

// What the store refuses is told to the caller and reaches nobody.
func TestRecordFails(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(everything)
	broken := errors.New("broken")
	d.store.Fail(broken)
	if err := d.Publish(t.Context(), sales, state()); !errors.Is(err, broken) {
		t.Errorf("Publish: %v, want %v", err, broken)
	}
	d.store.Fail(nil)
	d.publish(state())
	d.want(1)
	if err := d.Publish(t.Context(), "unknown", state()); err == nil {
		t.Error("an unknown instance was published to")
	}
}

// Section 4, order: callers at once still end in the order of the sequence.
func TestOrderOfConcurrentCallers(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(everything)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				d.publish(state(), state())
			}
		})
	}
	wg.Wait()
	got := d.read.sequences()
	if len(got) != 800 || !slices.IsSorted(got) {
		t.Errorf("%d events, in order: %v", len(got), slices.IsSorted(got))
	}
}

// Section 6: meta.id is at most 64 of [A-Za-z0-9_]; ours sort by time.
func TestEventIDs(t *testing.T) {
	now := time.Date(2026, 4, 28, 10, 30, 0, 0, time.UTC)
	moments := []time.Time{now, now, now, now.Add(time.Millisecond), now.Add(-time.Hour), now.Add(time.Hour)}
	ids := dispatch.EventIDs(moments...)
	form := regexp.MustCompile(`^evt_[0-9a-z]{26}$`)
	for _, id := range ids {
		if !form.MatchString(id) {
			t.Errorf("ID %q", id)
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("not in order, or not distinct: %q", ids)
	}
	const nowAsULID = "01kq9t6z20" // 48 bits of milliseconds in Crockford's alphabet
	if got := ids[0][4:14]; got != nowAsULID {
		t.Errorf("time part %q, want %q", got, nowAsULID)
	}
}

// Section 4, nobody connected: nothing serialised, nothing downloaded, nothing
// allocated, nothing counted as handed on.
func TestNobodyConnected(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	d.read.setIdle(true)
	item := picture("a", "1")
	d.publish(item)
	d.want()
	if calls := d.files.Calls(); len(calls) != 0 {
		t.Errorf("downloaded %q for nobody", calls)
	}
	if _, handed := d.Produced(); handed != 0 {
		t.Errorf("%d handed on", handed)
	}
	e := &event.Event{ID: "evt_1", Sequence: 1, Data: item.Data}
	if n := testing.AllocsPerRun(100, func() { d.Hand(t.Context(), sales, e, &item) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// Section 4, nobody connected, as a figure: the live half of Publish.
func BenchmarkHandNobody(b *testing.B) {
	d := open(b, dispatch.Options{})
	d.set(everything)
	d.read.setIdle(true)
	item := message("a", "1")
	e := &event.Event{ID: "evt_1", Sequence: 1, Data: item.Data}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		d.Hand(ctx, sales, e, &item)
	}
	serialised := len(d.read.sequences())
	b.ReportMetric(float64(serialised), "serialised")
	if serialised != 0 {
		b.Errorf("%d events were serialised for nobody", serialised)
	}
}

// Section 2: names are compared exactly; order is kept, repeats are dropped; off
// clears the rest; the answer is what is stored.
func TestSetWebSocket(t *testing.T) {
	msg, status := event.TypeMessage, event.TypeStatus
	for _, tc := range []struct {
		name     string
		in, want dispatch.WebSocket
	}{
		{"all", dispatch.WebSocket{Enabled: true}, dispatch.WebSocket{Enabled: true, Events: []event.Type{}}},
		{
			"order kept, repeats dropped",
			dispatch.WebSocket{Enabled: true, Events: []event.Type{status, msg, status}, MediaBase64: true},
			dispatch.WebSocket{Enabled: true, Events: []event.Type{status, msg}, MediaBase64: true},
		},
		{
			"off clears",
			dispatch.WebSocket{Events: []event.Type{msg}, MediaBase64: true},
			dispatch.WebSocket{Events: []event.Type{}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := open(t, dispatch.Options{})
			if _, found, err := d.WebSocket(t.Context(), sales); found || err != nil {
				t.Errorf("before the first set: found %v, %v", found, err)
			}
			got, err := d.SetWebSocket(t.Context(), sales, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("answer: %s", diff)
			}
			stored, found, err := d.WebSocket(t.Context(), sales)
			if diff := cmp.Diff(tc.want, stored); diff != "" || !found || err != nil {
				t.Errorf("stored: found %v, %v, %s", found, err, diff)
			}
		})
	}
}

// Section 2: an unknown event name is 400 with details, and changes nothing,
// also in a body that turns the channel off.
func TestSetWebSocketUnknownEvent(t *testing.T) {
	for _, enabled := range []bool{true, false} {
		d := open(t, dispatch.Options{})
		_, err := d.SetWebSocket(t.Context(), sales, dispatch.WebSocket{
			Enabled: enabled, Events: []event.Type{event.TypeCall, "Message.Exchange"},
		})
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Message != "Invalid request body" {
			t.Fatalf("got %v", err)
		}
		want := []fault.Detail{{Field: "events[1]", Reason: "must be one of " + event.AllowedNames()}}
		if diff := cmp.Diff(want, f.Details); diff != "" {
			t.Error(diff)
		}
		if _, found, _ := d.WebSocket(t.Context(), sales); found {
			t.Error("a refused configuration was stored")
		}
	}
}

// Section 2, errors: when storing fails the old configuration stays in force.
func TestSetWebSocketNotStored(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(everything)
	d.store.Fail(errors.New("disk full"))
	_, err := d.SetWebSocket(t.Context(), sales, dispatch.WebSocket{Enabled: true, Events: []event.Type{event.TypeCall}})
	if want := fault.New(fault.Internal, "Failed to save websocket configuration"); !errors.Is(err, want) {
		t.Errorf("Set: %v, want %v", err, want)
	}
	if _, _, err := d.WebSocket(t.Context(), sales); !errors.Is(err, fault.New(fault.Internal, "Failed to get websocket configuration")) {
		t.Errorf("Get: %v", err)
	}
	d.store.Fail(nil)
	d.publish(state())
	d.want(1)
	if _, err := d.SetWebSocket(t.Context(), "unknown", everything); !errors.Is(err, fault.InstanceNotFound()) {
		t.Errorf("unknown instance: %v", err)
	}
}

// Section 4, order: with mediaBase64 a picture waits for its bytes; messages and
// receipts of its chat wait behind it, everything else goes on.
func TestMediaWait(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	d.publish(picture("a", "one"), message("a", "2"), receipt("a"), message("b", "4"), state(), receipt("b"), picture("a", "seven"))
	d.want(4, 5, 6)
	d.files.Finish("seven", []byte("abc"), nil) // it still waits for the first
	d.files.Finish("one", []byte{1, 2, 3}, nil)
	eventually(t, "all events", func() bool { return len(d.read.sequences()) == 7 })
	d.want(4, 5, 6, 1, 2, 3, 7)
	d.stop()
	first := d.read.got[3]
	if m := first.Data.Message.Media; m.Base64 != "AQID" || m.Error != "" {
		t.Errorf("media %+v", m)
	}
	if calls := d.files.Calls(); len(calls) != 2 {
		t.Errorf("downloads %q, want each once", calls)
	}
}

// Section 4, order: a chat stays one chat when its number becomes known while a
// picture waits.
func TestMediaWaitWhileTheNumberBecomesKnown(t *testing.T) {
	d := open(t, dispatch.Options{})
	d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
	lid := "100200300@lid"
	stranger := picture("a", "one")
	stranger.Data.(*event.Message).Body.Chat = event.Chat{Address: event.Address{LID: &lid}}
	known := receipt("a")
	known.Data.(*event.Status).Chat.LID = &lid
	d.publish(stranger, known, receipt("b"))
	d.want(3)
	d.files.Finish("one", []byte{1, 2, 3}, nil)
	eventually(t, "all events", func() bool { return len(d.read.sequences()) == 3 })
	d.want(3, 1, 2)
	d.stop()
}

// Section 4, order: without mediaBase64, or when the filter does not let it
// through, nothing waits and nothing is fetched.
func TestMediaNotWanted(t *testing.T) {
	for _, ws := range []dispatch.WebSocket{
		everything,
		{Enabled: true, Events: []event.Type{event.TypeStatus}, MediaBase64: true},
	} {
		d := open(t, dispatch.Options{})
		d.set(ws)
		d.publish(picture("a", "one"), receipt("a"))
		if got := d.read.sequences(); got[len(got)-1] != 2 {
			t.Errorf("%+v: got %d", ws, got)
		}
		if calls := d.files.Calls(); len(calls) != 0 {
			t.Errorf("%+v: downloads %q", ws, calls)
		}
	}
}

// Section 7.1: media.error says why there is no base64.
func TestMediaErrors(t *testing.T) {
	for want, tc := range map[string]struct {
		size int64
		err  error
	}{
		event.MediaTooLarge:       {size: 101},
		event.MediaExpired:        {size: 3, err: fmt.Errorf("wrapped: %w", media.ErrExpired)},
		event.MediaDownloadFailed: {size: 3, err: errors.New("bad hash")},
	} {
		d := open(t, dispatch.Options{MediaMax: 100})
		d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
		item := picture("a", "file")
		item.Media.Size = tc.size
		d.files.Finish("file", make([]byte, tc.size), tc.err)
		d.publish(item)
		eventually(t, "the event", func() bool { return len(d.read.sequences()) == 1 })
		if m := d.read.last().Data.Message.Media; m.Error != want || m.Base64 != "" {
			t.Errorf("media %+v, want error %q", m, want)
		}
		if calls := d.files.Calls(); tc.size > 100 && len(calls) != 0 {
			t.Errorf("a file over the limit was asked for")
		}
		d.stop()
	}
}

// eventually polls until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("waited for: %s", what)
		}
	}
}

// Section 4, order: the wait is at most media.wait from when the event was
// produced; then it goes out with the error timeout, and the rest follows. A
// second picture that came with the first is not waited for any longer.
func TestMediaTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Options{MediaWait: 15 * time.Second})
		d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
		start := time.Now()
		d.publish(picture("a", "never"), message("a", "2"), picture("a", "neither"))
		<-time.After(15*time.Second - time.Millisecond)
		synctest.Wait()
		d.want()
		<-time.After(time.Millisecond)
		synctest.Wait()
		d.want(1, 2, 3)
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("waited %v", took)
		}
		if m := d.read.got[0].Data.Message.Media; m.Error != event.MediaTimeout {
			t.Errorf("media %+v", m)
		}
		d.publish(message("a", "4"))
		d.want(1, 2, 3, 4)
		d.stop()
	})
}

// Stop and Close end the waits: the events go out without their files.
func TestStopEndsTheWaits(t *testing.T) {
	for name, end := range map[string]func(*desk){
		"Stop":  (*desk).stop,
		"Close": func(d *desk) { d.Close(sales); d.stop() },
	} {
		d := open(t, dispatch.Options{})
		d.set(dispatch.WebSocket{Enabled: true, MediaBase64: true})
		d.publish(picture("a", "never"), message("a", "2"))
		end(d)
		d.want(1, 2)
		if m := d.read.got[0].Data.Message.Media; m.Error != event.MediaTimeout {
			t.Errorf("%s: media %+v", name, m)
		}
		if name == "Stop" { // recorded and sent, without a wait
			d.publish(picture("a", "late"))
			d.want(1, 2, 3)
		}
		d.stop()
	}
}

func TestLifecycle(t *testing.T) {
	lifecycletest.Stress(t, func(t *testing.T) lifecycle.Service {
		return lifecycle.Funcs{OnStop: open(t, dispatch.Options{}).Stop}
	})
}
