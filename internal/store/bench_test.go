package store_test

import (
	"testing"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

// BenchmarkRecordText is what one incoming text costs: one transaction with the
// message, the sender's name and the sequence.
func BenchmarkRecordText(b *testing.B) {
	db := open(b, newFile(b))
	in := storetest.NewInstance(b, db, storetest.NewAccount(b, db, "acme").ID, "sales")
	names := []dispatch.NameRecord{{JID: "5511999999999@s.whatsapp.net", Name: "Ana"}}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		item, e := storetest.TextItem(n)
		item.Names = names
		err := db.Record(b.Context(), in.ID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{})
		if err != nil || e.Sequence == 0 {
			b.Fatal(e.Sequence, err)
		}
	}
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
