package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
)

var recordTests = map[string]func(*testing.T, Store){
	"SequenceRisesByOnePerEvent":            testSequence,
	"SequencesOfInstancesAreApart":          testSequencesApart,
	"RepeatedMessageIsDropped":              testRepeatedMessage,
	"RepeatInOneCallIsDropped":              testRepeatInOneCall,
	"MessageIDIsUniquePerChatAndSender":     testMessageKey,
	"RepeatUnderALearnedNumberIsDropped":    testLearnedNumber,
	"RealMessageReplacesPlaceholderOnce":    testPlaceholder,
	"ItemWithoutEventTakesNoNumber":         testSilentItem,
	"FailedRecordLeavesNothing":             testFailedRecord,
	"ConcurrentRecordsKeepSequencesGapless": testConcurrentRecords,
	"StatusIsOnlyRaised":                    testStatus,
	"UnchangedLabelIsDropped":               testLabels,
	"NamesAreRemembered":                    testNames,
}

// text records the text with that number and returns its event's sequence.
func text(t testing.TB, s Store, instanceID string, n int) int64 {
	t.Helper()
	item, e := TextItem(n)
	must(t, s.Record(t.Context(), instanceID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}))
	return e.Sequence
}

func labelItem(l dispatch.LabelRecord) dispatch.Item {
	return dispatch.Item{Data: &event.Label{LabelID: l.LabelID}, Label: &l}
}

func testSequence(t *testing.T, s Store) {
	in := one(t, s)
	if got := text(t, s, in.ID, 1); got != 1 {
		t.Errorf("first event: %d", got)
	}
	items, events := make([]dispatch.Item, 5), make([]*event.Event, 5)
	for i := range items {
		items[i], events[i] = TextItem(2 + i)
	}
	must(t, s.Record(t.Context(), in.ID, items, events, dispatch.Outbox{}))
	var got []int64
	for _, e := range events {
		got = append(got, e.Sequence)
	}
	if diff := cmp.Diff([]int64{2, 3, 4, 5, 6}, got); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

func testSequencesApart(t *testing.T, s Store) {
	in := one(t, s)
	other := NewInstance(t, s, in.AccountID, "other")
	text(t, s, in.ID, 1)
	if got := text(t, s, other.ID, 1); got != 1 {
		t.Errorf("first event of the other instance: %d", got)
	}
}

func testRepeatedMessage(t *testing.T, s Store) {
	in := one(t, s)
	text(t, s, in.ID, 1)
	if got := text(t, s, in.ID, 1); got != 0 {
		t.Errorf("the repeat got sequence %d", got)
	}
	if got := text(t, s, in.ID, 2); got != 2 {
		t.Errorf("the next message got %d: the repeat used up a number", got)
	}
	wantMessages(t, s, in.ID, 2)
}

func wantMessages(t testing.TB, s Store, instanceID string, want int64) {
	t.Helper()
	got, err := s.CountMessages(t.Context(), instanceID)
	must(t, err)
	if got != want {
		t.Errorf("%d messages stored, want %d", got, want)
	}
}

func testRepeatInOneCall(t *testing.T, s Store) {
	in := one(t, s)
	a, ea := TextItem(1)
	b, eb := TextItem(1)
	c, ec := TextItem(2)
	must(t, s.Record(t.Context(), in.ID, []dispatch.Item{a, b, c}, []*event.Event{ea, eb, ec}, dispatch.Outbox{}))
	if diff := cmp.Diff([]int64{1, 0, 2}, []int64{ea.Sequence, eb.Sequence, ec.Sequence}); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
}

func testMessageKey(t *testing.T, s Store) {
	in := one(t, s)
	base, _ := TextItem(1)
	chat, sender := *base.Message, *base.Message
	chat.ChatKey = "120363000000000001@g.us"
	sender.SenderKey = "5511888888888@s.whatsapp.net"
	for i, m := range []*dispatch.MessageRecord{base.Message, &chat, &sender} {
		item := base
		item.Message = m
		if got := record(t, s, in.ID, item); got != int64(i+1) {
			t.Errorf("variant %d got sequence %d", i, got)
		}
	}
}

// events.md 7.1: chat and sender are brought to one form. A message that came
// when only the hidden identity of its sender was known is known again when the
// number has been learned meanwhile.
func testLearnedNumber(t *testing.T, s Store) {
	in := one(t, s)
	const lid = "100200300@lid"
	named, _ := TextItem(1)
	hidden := named
	before, after := *named.Message, *named.Message
	before.ChatKey, before.SenderKey = lid, lid
	after.ChatLID, after.SenderLID = lid, lid
	hidden.Message, named.Message = &before, &after
	blank := hidden
	blank.Message = &dispatch.MessageRecord{
		ID: before.ID, ChatKey: lid, SenderKey: lid, Type: "unsupported", Timestamp: At, Placeholder: true,
	}
	var got []int64
	for _, item := range []dispatch.Item{blank, hidden, named, named} {
		got = append(got, record(t, s, in.ID, item))
	}
	if diff := cmp.Diff([]int64{1, 2, 0, 0}, got); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
	wantMessages(t, s, in.ID, 1)

	group, _ := TextItem(2)
	member := *group.Message
	member.ChatKey, member.SenderKey = "120363000000000001@g.us", lid
	later := member
	later.SenderKey, later.SenderLID = group.Message.SenderKey, lid
	blank.Message = &dispatch.MessageRecord{
		ID: member.ID, ChatKey: member.ChatKey, SenderKey: lid, Type: "unsupported", Timestamp: At, Placeholder: true,
	}
	got = nil
	for _, m := range []*dispatch.MessageRecord{blank.Message, &later, &later, &member} {
		got = append(got, record(t, s, in.ID, dispatch.Item{Data: group.Data, Message: m}))
	}
	// WhatsApp does not take a number back. If it did, both forms would be
	// stored, which must not make the message fail for ever.
	if diff := cmp.Diff([]int64{3, 4, 0, 5}, got); diff != "" {
		t.Errorf("sequences in a group (-want +got):\n%s", diff)
	}
	if got := record(t, s, in.ID, dispatch.Item{Data: group.Data, Message: &later}); got != 0 {
		t.Errorf("a repeat of what is stored in both forms got %d", got)
	}
}

func testPlaceholder(t *testing.T, s Store) {
	in := one(t, s)
	real, _ := TextItem(1)
	blank := real
	blank.Message = &dispatch.MessageRecord{
		ID: real.Message.ID, ChatKey: real.Message.ChatKey, SenderKey: real.Message.SenderKey,
		Type: "unsupported", Timestamp: At, Placeholder: true,
	}
	var got []int64
	for _, item := range []dispatch.Item{blank, blank, real, real, blank} {
		got = append(got, record(t, s, in.ID, item))
	}
	if diff := cmp.Diff([]int64{1, 0, 2, 0, 0}, got); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
	q, found, err := s.GetQuote(t.Context(), in.ID, real.Message.ID)
	must(t, err)
	if !found || string(q.Raw) != string(real.Message.Raw) {
		t.Errorf("stored: found %v, raw %q", found, q.Raw)
	}
	wantMessages(t, s, in.ID, 1)
}

func testSilentItem(t *testing.T, s Store) {
	in := one(t, s)
	silent, _ := TextItem(1)
	silent.Data = nil
	loud, e := TextItem(2)
	must(t, s.Record(t.Context(), in.ID, []dispatch.Item{silent, loud}, []*event.Event{nil, e}, dispatch.Outbox{}))
	if e.Sequence != 1 {
		t.Errorf("the event got %d", e.Sequence)
	}
	wantMessages(t, s, in.ID, 2)
}

// testFailedRecord has an instance vanish under a record of several items.
func testFailedRecord(t *testing.T, s Store) {
	in := one(t, s)
	must(t, s.DeleteInstance(t.Context(), in.ID))
	label := labelItem(dispatch.LabelRecord{LabelID: "1", Name: "new"})
	item, e := TextItem(1)
	le := &event.Event{Data: label.Data}
	if err := s.Record(t.Context(), in.ID, []dispatch.Item{label, item}, []*event.Event{le, e}, dispatch.Outbox{}); err == nil {
		t.Fatal("recorded for a deleted instance")
	}
	if e.Sequence != 0 || le.Sequence != 0 {
		t.Errorf("sequences after a failure: %d, %d", le.Sequence, e.Sequence)
	}
	wantMessages(t, s, in.ID, 0)
}

func testConcurrentRecords(t *testing.T, s Store) {
	const instances, writers, each = 3, 4, 10
	a := NewAccount(t, s, "acme")
	var wg sync.WaitGroup
	seen := make([]sync.Map, instances)
	ins := make([]instance.Instance, instances)
	for i, name := range []string{"x", "y", "z"} {
		ins[i] = NewInstance(t, s, a.ID, name)
	}
	for i := range instances {
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					item, e := TextItem(w*each + n)
					if err := s.Record(t.Context(), ins[i].ID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}); err != nil {
						t.Error(err)
					}
					if _, twice := seen[i].LoadOrStore(e.Sequence, true); twice {
						t.Errorf("sequence %d twice", e.Sequence)
					}
				}
			})
		}
	}
	wg.Wait()
	for i := range seen {
		for n := int64(1); n <= writers*each; n++ {
			if _, ok := seen[i].Load(n); !ok {
				t.Errorf("instance %d: no event has sequence %d", i, n)
			}
		}
	}
}

func testStatus(t *testing.T, s Store) {
	in := one(t, s)
	text(t, s, in.ID, 1)
	text(t, s, in.ID, 2)
	const chat = "5511999999999@s.whatsapp.net"
	for _, step := range []struct{ receipt, want string }{
		{"server_error", "server_error"},
		{"delivered", "delivered"},
		{"server_error", "delivered"},
		{"read", "read"},
		{"delivered", "read"},
		{"sender", "read"},
		{"played", "played"},
		{"read", "played"},
	} {
		seq := record(t, s, in.ID, dispatch.Item{
			Data:    &event.Status{Status: step.receipt},
			Receipt: &dispatch.ReceiptRecord{ChatKey: chat, MessageIDs: []string{"MSG1", "unknown", "MSG2"}, Status: step.receipt, At: At},
		})
		if seq == 0 {
			t.Errorf("%s: a receipt is told even if it raises nothing", step.receipt)
		}
		for _, id := range []string{"MSG1", "MSG2"} {
			got, found, err := s.MessageStatus(t.Context(), in.ID, chat, id)
			must(t, err)
			if !found || got != step.want {
				t.Errorf("%s after %s: %q, want %q", id, step.receipt, got, step.want)
			}
		}
	}
}

func testLabels(t *testing.T, s Store) {
	in := one(t, s)
	chat := dispatch.LabelRecord{LabelID: "1", ChatJID: "5511999999999@s.whatsapp.net"}
	edit := func(name string, color int, deleted bool) dispatch.LabelRecord {
		return dispatch.LabelRecord{LabelID: "1", Name: name, Color: color, Deleted: deleted}
	}
	put := func(messageID string, labeled bool) dispatch.LabelRecord {
		l := chat
		l.MessageID, l.Labeled = messageID, labeled
		return l
	}
	for i, step := range []struct {
		label dispatch.LabelRecord
		news  bool
	}{
		{edit("new", 3, false), true},
		{edit("new", 3, false), false},
		{edit("new", 4, false), true},
		{edit("newer", 4, false), true},
		{put("", true), true},
		{put("", true), false},
		{put("MSG1", true), true},
		{put("", false), true},
		{put("", false), false},
		{edit("newer", 4, true), true},
		{edit("newer", 4, true), false},
	} {
		if got := record(t, s, in.ID, labelItem(step.label)) != 0; got != step.news {
			t.Errorf("step %d: told %v, want %v", i, got, step.news)
		}
	}
	got, err := s.Labels(t.Context(), in.ID)
	must(t, err)
	want := []dispatch.LabelRecord{edit("newer", 4, true), put("", false), put("MSG1", true)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func testNames(t *testing.T, s Store) {
	in := one(t, s)
	for _, step := range []struct{ name, want string }{{"Ana", "Ana"}, {"", "Ana"}, {"Ana Maria", "Ana Maria"}} {
		record(t, s, in.ID, dispatch.Item{Names: []dispatch.NameRecord{{JID: "1@lid", Name: step.name}}})
		got, err := s.Name(t.Context(), in.ID, "1@lid")
		must(t, err)
		if got != step.want {
			t.Errorf("after %q: %q, want %q", step.name, got, step.want)
		}
	}
	if got, err := s.Name(t.Context(), in.ID, "2@lid"); got != "" || err != nil {
		t.Errorf("unknown: %q, %v", got, err)
	}
}

var messageTests = map[string]func(*testing.T, Store){
	"QuoteIsFoundByMessageID":      testQuote,
	"SweepDeletesOldestFirstStep":  testSweep,
	"UnknownMessageHasNoStatus":    testUnknownStatus,
	"SweepLeavesYoungMessagesIn":   testSweepYoung,
	"ManyMessagesGoWithInstance":   testDeleteMany,
	"QuoteOfAnotherInstanceHidden": testQuoteElsewhere,
}

func testQuote(t *testing.T, s Store) {
	in := one(t, s)
	item, _ := TextItem(1)
	newer := *item.Message
	newer.ChatKey, newer.SenderKey = "120363000000000001@g.us", "5511888888888@s.whatsapp.net"
	newer.FromMe, newer.Raw, newer.Timestamp = true, []byte("newer"), At.Add(time.Minute)
	record(t, s, in.ID, dispatch.Item{Message: &newer})
	record(t, s, in.ID, item)
	q, found, err := s.GetQuote(t.Context(), in.ID, "MSG1")
	must(t, err)
	if !found || q.MessageID != "MSG1" || q.ChatJID != newer.ChatKey || q.Participant != newer.SenderKey || !q.FromMe || string(q.Raw) != "newer" {
		t.Errorf("found %v: %+v", found, q)
	}
	if _, found, err := s.GetQuote(t.Context(), in.ID, "unknown"); found || err != nil {
		t.Errorf("unknown: found %v, %v", found, err)
	}
}

func testQuoteElsewhere(t *testing.T, s Store) {
	in := one(t, s)
	text(t, s, in.ID, 1)
	other := NewInstance(t, s, in.AccountID, "other")
	if _, found, err := s.GetQuote(t.Context(), other.ID, "MSG1"); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func testUnknownStatus(t *testing.T, s Store) {
	in := one(t, s)
	if _, found, err := s.MessageStatus(t.Context(), in.ID, "chat", "unknown"); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func testSweep(t *testing.T, s Store) {
	in := one(t, s)
	for n := range 5 {
		text(t, s, in.ID, n)
	}
	future := time.Now().Add(time.Hour)
	for _, want := range []int64{2, 2, 1, 0} {
		got, err := s.SweepMessages(t.Context(), future, 2)
		must(t, err)
		if got != want {
			t.Errorf("deleted %d, want %d", got, want)
		}
	}
	wantMessages(t, s, in.ID, 0)
}

func testSweepYoung(t *testing.T, s Store) {
	in := one(t, s)
	text(t, s, in.ID, 1) // sent in 2026, stored now
	n, err := s.SweepMessages(t.Context(), time.Now().Add(-time.Hour), 100)
	must(t, err)
	if n != 0 {
		t.Errorf("deleted %d", n)
	}
	wantMessages(t, s, in.ID, 1)
}

func testDeleteMany(t *testing.T, s Store) {
	in := one(t, s)
	const many = 1200
	items, events := make([]dispatch.Item, many), make([]*event.Event, many)
	for i := range items {
		items[i], events[i] = TextItem(i)
	}
	must(t, s.Record(t.Context(), in.ID, items, events, dispatch.Outbox{}))
	must(t, s.DeleteInstance(t.Context(), in.ID))
	wantMessages(t, s, in.ID, 0)
}
