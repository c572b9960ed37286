package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

// BenchmarkRecordText is what one incoming text costs: one transaction with the
// message, the sender's name and the sequence; and what webhooks add. The line
// is idle at first and due from then on.
func BenchmarkRecordText(b *testing.B) {
	for _, hooks := range []int{0, 1, 3} {
		b.Run(fmt.Sprintf("hooks=%d", hooks), func(b *testing.B) { benchmarkRecordText(b, hooks) })
	}
}

func benchmarkRecordText(b *testing.B, hooks int) {
	db := open(b, newFile(b))
	c := store.NewCheckpointer(db, slog.New(slog.DiscardHandler)) // as in the server
	must(b, c.Start(b.Context()))
	b.Cleanup(func() { must(b, c.Stop(context.Background())) })
	q := newQueue(b, db)
	out := dispatch.Outbox{Encode: envelope}
	for n := range hooks {
		w := q.add(strconv.Itoa(n))
		out.Hooks = append(out.Hooks, w.Hook())
	}
	names := []dispatch.NameRecord{{JID: "5511999999999@s.whatsapp.net", Name: "Ana"}}
	b.ReportAllocs()
	begin, turns := cpuTime(b), 0
	defer func() { b.ReportMetric(float64((cpuTime(b)-begin).Microseconds())/float64(turns), "cpu-µs/op") }()
	for n := 0; b.Loop(); n++ {
		turns++
		item, e := storetest.TextItem(n)
		item.Names, e.Timestamp = names, storetest.At
		err := db.Record(b.Context(), q.instanceID, []dispatch.Item{item}, []*event.Event{e}, out)
		if err != nil || e.Sequence == 0 {
			b.Fatal(e.Sequence, err)
		}
	}
}

// cpuTime is what the process has used. It tells what something costs also on a
// machine that does other things meanwhile.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkGetInstanceByToken(b *testing.B) {
	db := open(b, newFile(b))
	in := storetest.NewInstance(b, db, storetest.NewAccount(b, db, "acme").ID, "sales")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.GetInstanceByToken(b.Context(), in.Token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWhatsAppReceive is what whatsmeow's own store does for one message,
// over the connection that it shares with ours.
func BenchmarkWhatsAppReceive(b *testing.B) {
	db := open(b, newFile(b))
	device := newDevice(b.Context(), b, newContainer(b.Context(), b, db), 1)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := receive(b.Context(), device, n); err != nil {
			b.Fatal(err)
		}
	}
}
