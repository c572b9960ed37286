package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
	"github.com/chasqui/chasqui/internal/webhook"
)

const worker = "a worker"

// queue is an instance with webhooks.
type queue struct {
	t          testing.TB
	db         *store.DB
	instanceID string
	ids        int
}

func newQueue(t testing.TB, db *store.DB) *queue {
	return &queue{t: t, db: db, instanceID: storetest.NewInstance(t, db, storetest.NewAccount(t, db, "acme").ID, "sales").ID}
}

func (q *queue) add(label string) webhook.Webhook {
	q.t.Helper()
	w := webhook.Webhook{
		ID: "hook-" + label, InstanceID: q.instanceID, Label: label, Enabled: true,
		URL: "https://a.example/" + label, Ordering: webhook.Strict,
	}
	must(q.t, q.db.PutWebhook(q.t.Context(), w))
	return w
}

// envelope is the dispatcher's, about 1 KB with what a text lacks here.
func envelope(dst []byte, e *event.Event) ([]byte, error) {
	return event.AppendEnvelope(dst, e, event.Origin{
		BaseURL: "https://api.example.com", Instance: "sales", Token: strings.Repeat("token", 100),
	})
}

// record records n events in one transaction.
func (q *queue) record(n int, hooks ...webhook.Webhook) {
	q.t.Helper()
	out := dispatch.Outbox{Encode: envelope}
	for i := range hooks {
		out.Hooks = append(out.Hooks, hooks[i].Hook())
	}
	items, events := make([]dispatch.Item, n), make([]*event.Event, n)
	for i := range items {
		q.ids++
		items[i].Data = &event.State{State: "connected", Timestamp: storetest.At}
		events[i] = &event.Event{ID: fmt.Sprint("evt_", q.ids), Timestamp: time.Now(), Data: items[i].Data}
	}
	must(q.t, q.db.Record(q.t.Context(), q.instanceID, items, events, out))
}

// turn claims the one line that is due, loads up to limit jobs, settles each
// with what end makes of it, and gives the line back.
func (q *queue) turn(limit int, end func(o *webhook.Outcome)) (id string, done int) {
	q.t.Helper()
	now := time.Now().Add(time.Second)
	lines, err := q.db.Claim(q.t.Context(), worker, false, now, now.Add(time.Minute), 1)
	must(q.t, err)
	if len(lines) != 1 {
		q.t.Fatal("no line is due")
	}
	id = lines[0].Webhook.ID
	load, err := q.db.Load(q.t.Context(), id, now, nil, limit)
	must(q.t, err)
	s := webhook.Settlement{WebhookID: id, Release: true}
	for _, j := range load.Jobs {
		o := webhook.Outcome{ID: j.ID, State: webhook.Delivered, Attempt: webhook.Attempt{At: now, Status: 200}}
		if end != nil {
			end(&o)
		}
		s.Outcomes = append(s.Outcomes, o)
	}
	must(q.t, q.db.Settle(q.t.Context(), worker, now, []webhook.Settlement{s}))
	return id, len(load.Jobs)
}

// A long body that could not be written whole leaves nothing behind: the next
// try needs the room, as does everybody else.
func TestFailedFillLeavesNoChunks(t *testing.T) {
	db := open(t, newFile(t))
	q := newQueue(t, db)
	w := q.add("a")
	w.MediaBase64 = true
	item, e := storetest.TextItem(1)
	item.Media = &media.Ref{Kind: "image", Size: 10}
	out := dispatch.Outbox{Encode: envelope, Hooks: []webhook.Hook{w.Hook()}}
	must(t, db.Record(t.Context(), q.instanceID, []dispatch.Item{item}, []*event.Event{e}, out))
	list, err := db.ListUnfilled(t.Context(), "", 1)
	must(t, err)
	const size = 1 << 20
	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", size-1)), iotest.ErrReader(errors.New("disk broken")))
	if _, err := db.Fill(t.Context(), list[0].BodyID, size, broken); err == nil {
		t.Fatal("filled")
	}
	wantRows(t, db, "webhook_body_chunks", 0)
}

// One row that cannot be opened, as after damage to the file, holds up nobody.
func TestDamagedRowsHoldUpNobody(t *testing.T) {
	db := open(t, newFile(t))
	q := newQueue(t, db)
	hooks := []webhook.Webhook{q.add("a"), q.add("b")}
	q.record(1, hooks...)
	chat := "5511999999999@s.whatsapp.net"
	for n := range 2 {
		item, e := storetest.TextItem(n)
		m := &event.Message{ID: item.Message.ID}
		m.Body.Chat.JID = &chat
		item.Data, item.Media, e.Data = m, &media.Ref{Kind: "image", Size: 10}, m
		hook := hooks[1].Hook()
		hook.Base64 = true
		out := dispatch.Outbox{Encode: envelope, Hooks: []webhook.Hook{hook}}
		must(t, db.Record(t.Context(), q.instanceID, []dispatch.Item{item}, []*event.Event{e}, out))
	}
	for _, damage := range []string{
		"UPDATE webhooks SET private = $1 WHERE label = 'a'",
		"UPDATE webhook_bodies SET source = $1 WHERE id = (SELECT MIN(id) FROM webhook_bodies WHERE NOT filled)",
	} {
		_, err := db.WhatsApp().ExecContext(t.Context(), damage, []byte("damaged"))
		must(t, err)
	}
	now := time.Now().Add(time.Second)
	lines, err := db.Claim(t.Context(), worker, false, now, now.Add(time.Minute), 10)
	must(t, err)
	if len(lines) != 1 || lines[0].Webhook.Label != "b" {
		t.Errorf("claimed %+v", lines)
	}
	unfilled, err := db.ListUnfilled(t.Context(), "", 10)
	must(t, err)
	if len(unfilled) != 1 || unfilled[0].Message.MessageID != "MSG1" {
		t.Errorf("unfilled: %+v", unfilled)
	}
}

func diedOf500(o *webhook.Outcome) { o.State, o.Reason = webhook.Dead, webhook.ReasonExhausted }

// events.md 5: authorization and stored bodies are encrypted like every secret.
func TestQueueIsNotReadableInTheFiles(t *testing.T) {
	path := newFile(t)
	db := open(t, path)
	q := newQueue(t, db)
	secrets := []string{
		"Bearer plain-authorization", "whsec_plainsecret", "whsec_plainold", "plain-header", "plain-url-token",
		"plain-body", "plain-file-key", "plain-answer", "plain-filled",
	}
	w := webhook.Webhook{
		ID: "w", InstanceID: q.instanceID, Label: "a-label-in-plain-text", Enabled: true, URL: "https://a.example/" + secrets[4],
		Authorization: &secrets[0], Secret: secrets[1], OldSecret: secrets[2], Headers: map[string]string{"X-Key": secrets[3]},
		MediaBase64: true,
	}
	must(t, db.PutWebhook(t.Context(), w))
	long := strings.Repeat("plain-body", 20_000)
	for _, body := range []string{"plain-body", long} {
		out := dispatch.Outbox{Hooks: []webhook.Hook{w.Hook()}, Encode: func(dst []byte, _ *event.Event) ([]byte, error) {
			return append(dst, body...), nil
		}}
		photo := &event.Message{Body: event.MessageBody{Media: &event.Media{}}}
		items := []dispatch.Item{{Data: &event.State{}}, {Data: photo, Media: &media.Ref{Key: []byte("plain-file-key"), URL: "plain-file-key"}}}
		events := []*event.Event{{ID: "evt_1", Data: items[0].Data}, {ID: "evt_2", Data: photo}}
		must(t, db.Record(t.Context(), q.instanceID, items, events, out))
	}
	unfilled, err := db.ListUnfilled(t.Context(), "", 10)
	must(t, err)
	for i, size := range []int{12, 300_000} {
		body := strings.Repeat("plain-filled", size/12)
		_, err = db.Fill(t.Context(), unfilled[i].BodyID, int64(len(body)), strings.NewReader(body))
		must(t, err)
	}
	q.turn(10, func(o *webhook.Outcome) { o.Attempt.Answer = "plain-answer" })
	content := readAll(t, path)
	if !bytes.Contains(content, []byte(w.Label)) {
		t.Fatal("the files do not hold what was stored: the test would prove nothing")
	}
	for _, secret := range secrets {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s is in the file", secret)
		}
	}
}

func TestQueueSurvivesRestarts(t *testing.T) {
	path := newFile(t)
	var q *queue
	with(t, path, func(db *store.DB) {
		q = newQueue(t, db)
		q.record(3, q.add("a"))
		now := time.Now().Add(time.Second)
		_, err := db.Claim(t.Context(), worker, false, now, now.Add(time.Hour), 1)
		must(t, err)
	})
	with(t, path, func(db *store.DB) {
		must(t, db.ReleaseAll(t.Context(), worker))
		q.db = db
		if id, n := q.turn(10, nil); id != "hook-a" || n != 3 {
			t.Errorf("%d deliveries of %s", n, id)
		}
	})
}

// What waits for its file goes on holding up its chat after a restart.
func TestWaitingChatSurvivesRestarts(t *testing.T) {
	path, chat := newFile(t), "5511999999999@s.whatsapp.net"
	say := func(q *queue, w webhook.Webhook, n int, file *media.Ref) {
		item, e := storetest.TextItem(n)
		m := &event.Message{ID: item.Message.ID}
		m.Body.Chat.JID = &chat
		item.Data, item.Media, e.Data = m, file, m
		out := dispatch.Outbox{Encode: envelope, Hooks: []webhook.Hook{w.Hook()}}
		must(t, q.db.Record(t.Context(), q.instanceID, []dispatch.Item{item}, []*event.Event{e}, out))
	}
	var q *queue
	var w webhook.Webhook
	with(t, path, func(db *store.DB) {
		q = newQueue(t, db)
		w = q.add("a")
		w.MediaBase64 = true
		must(t, db.PutWebhook(t.Context(), w))
		say(q, w, 1, &media.Ref{Kind: "image", Size: 10})
	})
	with(t, path, func(db *store.DB) {
		q.db = db
		say(q, w, 2, nil)
		load, err := db.Load(t.Context(), w.ID, time.Now().Add(time.Second), nil, 10)
		must(t, err)
		if len(load.Jobs) > 0 {
			t.Errorf("%d jobs although the chat waits for a file", len(load.Jobs))
		}
	})
}

// events.md 5: dead letters are kept 14 days; what arrived is kept a day.
func TestSweeperKeepsDeliveriesForTheRetention(t *testing.T) {
	const day = 24 * time.Hour
	sweeping(t, store.SweeperOptions{WebhookRetention: 14 * day, Step: 2}, func(t *testing.T, db *store.DB, id string) {
		q := &queue{t: t, db: db, instanceID: id}
		w := q.add("a")
		want := func(what string, want map[webhook.State]int) {
			t.Helper()
			synctest.Wait()
			list, _, err := db.ListDeliveries(t.Context(), id, webhook.Query{Limit: 100})
			must(t, err)
			got := map[webhook.State]int{}
			for _, d := range list {
				got[d.State]++
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		q.record(5, w)
		q.turn(5, nil)
		q.record(5, w)
		q.turn(5, diedOf500)
		q.record(5, w)
		time.Sleep(day - 2*time.Minute)
		want("within a day", map[webhook.State]int{webhook.Delivered: 5, webhook.Dead: 5, webhook.Pending: 5})
		time.Sleep(2 * time.Hour)
		want("after a day", map[webhook.State]int{webhook.Dead: 5, webhook.Pending: 5})
		time.Sleep(13*day - 3*time.Hour)
		want("within 14 days", map[webhook.State]int{webhook.Dead: 5, webhook.Pending: 5})
		time.Sleep(4 * time.Hour)
		want("pending ones of a webhook that is not paused stay", map[webhook.State]int{webhook.Pending: 5})
		w.Paused = true
		must(t, db.PutWebhook(t.Context(), w))
		time.Sleep(2 * time.Hour)
		want("those of a paused one die", map[webhook.State]int{webhook.Dead: 5})
		time.Sleep(15 * day)
		want("and go", map[webhook.State]int{})
		wantRows(t, db, "webhook_bodies", 0)
	})
}

func wantRows(t *testing.T, db *store.DB, table string, want int) {
	t.Helper()
	var got int
	must(t, db.WhatsApp().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&got))
	if got != want {
		t.Errorf("%d rows in %s, want %d", got, table, want)
	}
}

func TestSweeperDeletesLongBodies(t *testing.T) {
	sweeping(t, store.SweeperOptions{}, func(t *testing.T, db *store.DB, id string) {
		q := &queue{t: t, db: db, instanceID: id}
		w := q.add("a")
		out := dispatch.Outbox{Hooks: []webhook.Hook{w.Hook()}, Encode: func(dst []byte, _ *event.Event) ([]byte, error) {
			return append(dst, make([]byte, 6<<20)...), nil
		}}
		item := dispatch.Item{Data: &event.State{}}
		must(t, db.Record(t.Context(), id, []dispatch.Item{item}, []*event.Event{{ID: "evt", Data: item.Data}}, out))
		wantRows(t, db, "webhook_body_chunks", 24)
		q.turn(1, nil)
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		wantRows(t, db, "webhook_body_chunks", 0)
		wantRows(t, db, "webhook_bodies", 0)
	})
}

// A fill that a crash interrupted leaves chunks; the next one takes them away.
func TestFillLeavesNothingOfTheOneBefore(t *testing.T) {
	db := open(t, newFile(t))
	q := newQueue(t, db)
	w := q.add("a")
	w.MediaBase64 = true
	photo := &event.Message{Body: event.MessageBody{Media: &event.Media{}}}
	must(t, db.Record(t.Context(), q.instanceID,
		[]dispatch.Item{{Data: photo, Media: &media.Ref{}}}, []*event.Event{{ID: "evt", Data: photo}},
		dispatch.Outbox{Hooks: []webhook.Hook{w.Hook()}, Encode: envelope}))
	list, err := db.ListUnfilled(t.Context(), "", 1)
	must(t, err)
	instanceID, bodyID, _ := strings.Cut(list[0].BodyID, "/")
	for n := range 2 {
		_, err := db.WhatsApp().ExecContext(t.Context(),
			"INSERT INTO webhook_body_chunks (instance_id, body_id, fill, n, chunk) VALUES ($1, $2, 'interrupted', $3, 'x')",
			instanceID, bodyID, n)
		must(t, err)
	}
	wantRows(t, db, "webhook_body_chunks", 2)
	_, err = db.Fill(t.Context(), list[0].BodyID, 5, strings.NewReader("short"))
	must(t, err)
	wantRows(t, db, "webhook_body_chunks", 0)
}

// events.md 8: queue depth and oldest age.
func TestQueueStats(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path)
		q := newQueue(t, db)
		begin := time.Now().UTC()
		hooks := map[string]webhook.Webhook{}
		for _, label := range []string{"healthy", "failing", "paused"} {
			hooks[label] = q.add(label)
		}
		q.record(1, hooks["healthy"], hooks["failing"])
		time.Sleep(time.Minute)
		q.record(1, hooks["failing"], hooks["paused"])
		w := hooks["failing"]
		w.FailingSince = begin
		must(t, db.PutWebhook(t.Context(), w))
		w = hooks["paused"]
		w.Paused = true
		must(t, db.PutWebhook(t.Context(), w))
		want := []store.QueueDepth{
			{State: store.LineHealthy, Pending: 1, Oldest: begin},
			{State: store.LineFailing, Pending: 2, Oldest: begin},
			{State: store.LinePaused, Pending: 1, Oldest: begin.Add(time.Minute)},
			{State: store.LineDisabled},
		}
		check := func(what string) {
			t.Helper()
			got, err := db.QueueStats(t.Context())
			must(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		check("counted")
		q.record(3, hooks["paused"])
		check("not counted again at once")
		time.Sleep(11 * time.Second)
		want[2].Pending = 4
		check("counted again")
	})
}

// BenchmarkClaim is what a turn of a line costs, 32 deliveries in it: claiming,
// loading and settling, without attempts. The backlog is of 500,000 rows.
func BenchmarkClaim(b *testing.B) {
	const backlog, step = 500_000, 1000
	db := open(b, newFile(b))
	q := newQueue(b, db)
	small, big := q.add("small"), q.add("big")
	b.Run("backlog=none", func(b *testing.B) { benchmarkClaim(b, q, small, true) })
	q.t = b // again: that of the run before is over
	for range backlog / step {
		q.record(step, big)
	}
	hold(b, db, big, time.Now().Add(time.Hour))
	b.Run("backlog=other", func(b *testing.B) { benchmarkClaim(b, q, small, true) })
	hold(b, db, big, time.Time{})
	b.Run("backlog=same", func(b *testing.B) { benchmarkClaim(b, q, big, false) })
	_, err := db.WhatsApp().ExecContext(b.Context(),
		"UPDATE webhook_deliveries SET parked = TRUE, next_at = $1 WHERE state = 'pending'", time.Now().Add(time.Hour).UnixMilli())
	must(b, err)
	b.Run("backlog=parked", func(b *testing.B) { benchmarkClaim(b, q, big, true) })
}

// hold sets when the line of a webhook is due, and its first delivery with it.
func hold(b *testing.B, db *store.DB, w webhook.Webhook, until time.Time) {
	b.Helper()
	_, err := db.WhatsApp().ExecContext(b.Context(), "UPDATE webhooks SET due_at = $1 WHERE id = $2", max(1, until.UnixMilli()), w.ID)
	must(b, err)
}

// benchmarkClaim runs turns of the webhook w, whose line gets 32 events before
// each if feed says so; that is not measured.
func benchmarkClaim(b *testing.B, q *queue, w webhook.Webhook, feed bool) {
	const jobs = 32
	var spent time.Duration
	turns := 0
	q.t = b
	for b.Loop() {
		if feed {
			q.record(jobs, w)
		}
		begin := time.Now()
		id, done := q.turn(jobs, nil)
		spent += time.Since(begin)
		turns++
		if id != w.ID || done != jobs {
			b.Fatalf("%d jobs of %s", done, id)
		}
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(turns), "µs/turn")
	b.ReportMetric(float64(spent.Microseconds())/float64(turns*jobs), "µs/delivery")
}

// events.md 8: deliveries that die without an attempt are counted too.
func TestDiedWithoutAnAttempt(t *testing.T) {
	db := open(t, newFile(t))
	q := newQueue(t, db)
	disabled, paused := q.add("disabled"), q.add("paused")
	q.record(3, disabled)
	q.record(2, paused)
	disabled.Enabled, disabled.Generation = false, 1
	must(t, db.PutWebhook(t.Context(), disabled))
	paused.Paused = true
	must(t, db.PutWebhook(t.Context(), paused))
	if n := db.Died(); n != 3 {
		t.Errorf("%d died by the disabling, want 3", n)
	}
	if _, err := db.GiveUpPaused(t.Context(), time.Now().Add(time.Hour), 10); err != nil || db.Died() != 5 {
		t.Errorf("%d died in all, want 5: %v", db.Died(), err)
	}
}
