package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

var mediaTests = map[string]func(*testing.T, Store){
	"FileIsKeptWhole":                    testFile,
	"FilesOfInstancesAreApart":           testFilesApart,
	"WantedFilesComeWhenDue":             testWanted,
	"OnlyAWantedFileIsUpdated":           testUpdateWanted,
	"OldFilesOnDiskAreListed":            testOnDisk,
	"SweepForgetsFilesThatAreDoneWith":   testSweepFiles,
	"FileOfDeletedInstanceIsRefused":     testFileOfNobody,
	"BucketIsKeptWhole":                  testBucket,
	"BucketOfDeletedInstanceIsRefused":   testBucketOfNobody,
	"RecordingNotesFilesForTheBucket":    testKeepMedia,
	"RecordingLeavesKnownFilesAlone":     testKeepMediaKnown,
	"RecordingWithoutBucketNotesNoFiles": testKeepNoMedia,
}

var chatTests = map[string]func(*testing.T, Store){
	"MessageIsKeptWhole": testStoredMessage,
}

func testStoredMessage(t *testing.T, s Store) {
	in := one(t, s)
	item, e := TextItem(1)
	item.Message.FromMe, item.Message.Type = true, "image"
	must(t, s.Record(t.Context(), in.ID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}))
	record(t, s, in.ID, dispatch.Item{Receipt: &dispatch.ReceiptRecord{
		ChatKey: item.Message.ChatKey, MessageIDs: []string{"MSG1"}, Status: "read", At: At,
	}})
	got, found, err := s.GetMessage(t.Context(), in.ID, "MSG1")
	must(t, err)
	want := chat.Stored{
		ID: "MSG1", ChatKey: item.Message.ChatKey, SenderKey: item.Message.SenderKey, FromMe: true, Type: "image",
		Text: "hello 1", SentAt: At, Receipt: "read", Raw: item.Message.Raw,
	}
	if diff := cmp.Diff(want, got); !found || diff != "" {
		t.Errorf("found %v (-want +got):\n%s", found, diff)
	}
	if _, found, err := s.GetMessage(t.Context(), in.ID, "MSG2"); found || err != nil {
		t.Errorf("unknown: found %v, %v", found, err)
	}
}

// fileOf is a record with a value in each field.
func fileOf(instanceID, messageID string) media.Record {
	return media.Record{
		InstanceID: instanceID,
		Key:        media.Key{ChatKey: "5511999999999@s.whatsapp.net", SenderKey: "100200300@lid", MessageID: messageID},
		Ref: media.Ref{
			Kind: "image", URL: "https://mmg.whatsapp.net/v/x", DirectPath: "/v/x", Key: []byte("key"),
			FileSHA256: []byte("plain"), FileEncSHA256: []byte("enc"), Size: 48213, Mimetype: "image/jpeg",
			FileName: "photo.jpg", SentAt: At, Chat: "1@lid", Sender: "2@lid", FromMe: true,
		},
		State: media.Wanted, Place: media.InBucket, Object: "sales/2026/09/" + messageID + ".jpg", Size: 48210,
		Attempts: 2, NextAt: At, Reason: "expired", StoredAt: At.Add(time.Second),
	}
}

func putFile(t testing.TB, s Store, r media.Record) {
	t.Helper()
	must(t, s.PutFile(t.Context(), r))
}

func wantFile(t testing.TB, s Store, want media.Record) {
	t.Helper()
	got, found, err := s.GetFile(t.Context(), want.InstanceID, want.Key)
	must(t, err)
	if diff := cmp.Diff(want, got); !found || diff != "" {
		t.Errorf("found %v (-want +got):\n%s", found, diff)
	}
}

func testFile(t *testing.T, s Store) {
	in := one(t, s)
	r := fileOf(in.ID, "MSG1")
	putFile(t, s, r)
	wantFile(t, s, r)
	r.State, r.Attempts, r.NextAt, r.Ref.DirectPath = media.Stored, 3, time.Time{}, "/v/y"
	putFile(t, s, r)
	wantFile(t, s, r)
	must(t, s.DeleteFile(t.Context(), in.ID, r.Key))
	must(t, s.DeleteFile(t.Context(), in.ID, r.Key))
	if _, found, err := s.GetFile(t.Context(), in.ID, r.Key); found || err != nil {
		t.Errorf("after its deletion: found %v, %v", found, err)
	}
}

// What the Keeper read may be old by the time that it writes: somebody else had
// the file meanwhile, or it was forgotten.
func testUpdateWanted(t *testing.T, s Store) {
	in := one(t, s)
	r, later := fileOf(in.ID, "MSG1"), fileOf(in.ID, "MSG1")
	later.Attempts, later.NextAt, later.Reason = 7, At.Add(time.Hour), "download_failed"
	must(t, s.UpdateWanted(t.Context(), later))
	if _, found, err := s.GetFile(t.Context(), in.ID, r.Key); found || err != nil {
		t.Errorf("a forgotten one: found %v, %v", found, err)
	}
	putFile(t, s, r)
	must(t, s.UpdateWanted(t.Context(), later))
	wantFile(t, s, later)
	r.State = media.Stored
	putFile(t, s, r)
	must(t, s.UpdateWanted(t.Context(), later))
	wantFile(t, s, r)
}

func testFilesApart(t *testing.T, s Store) {
	in := one(t, s)
	other := NewInstance(t, s, in.AccountID, "other")
	r := fileOf(in.ID, "MSG1")
	putFile(t, s, r)
	if _, found, err := s.GetFile(t.Context(), other.ID, r.Key); found || err != nil {
		t.Errorf("in another instance: found %v, %v", found, err)
	}
	elsewhere := r
	elsewhere.Key.ChatKey, elsewhere.Object = "120363000000000001@g.us", "elsewhere"
	putFile(t, s, elsewhere)
	wantFile(t, s, r)
	wantFile(t, s, elsewhere)
	must(t, s.DeleteInstance(t.Context(), in.ID))
	if _, found, err := s.GetFile(t.Context(), in.ID, r.Key); found || err != nil {
		t.Errorf("after the instance: found %v, %v", found, err)
	}
}

// messagesOf are the messages of the records, in order.
func messagesOf(records []media.Record) []string {
	ids := []string{}
	for _, r := range records {
		ids = append(ids, r.Key.MessageID)
	}
	return ids
}

func testWanted(t *testing.T, s Store) {
	in := one(t, s)
	for id, seconds := range map[string]int{"second": 2, "first": 1, "now": 3, "later": 5, "next": 4} {
		r := fileOf(in.ID, id)
		r.NextAt = At.Add(time.Duration(seconds) * time.Second)
		putFile(t, s, r)
	}
	for id, state := range map[string]media.State{"had": media.Stored, "given up": media.Failed} {
		r := fileOf(in.ID, id)
		r.State = state
		putFile(t, s, r)
	}
	now := At.Add(3 * time.Second)
	for _, step := range []struct {
		now   time.Time
		limit int
		due   []string
		next  time.Time
	}{
		{now, 10, []string{"first", "second", "now"}, At.Add(4 * time.Second)},
		{now, 2, []string{"first", "second"}, At.Add(4 * time.Second)},
		{At, 10, []string{}, At.Add(time.Second)},
		{At.Add(time.Minute), 10, []string{"first", "second", "now", "next", "later"}, time.Time{}},
	} {
		due, next, err := s.ListWanted(t.Context(), step.now, step.limit)
		must(t, err)
		if diff := cmp.Diff(step.due, messagesOf(due)); diff != "" || !next.Equal(step.next) {
			t.Errorf("at %s: next %s, want %s; due (-want +got):\n%s", step.now, next, step.next, diff)
		}
	}
}

func testOnDisk(t *testing.T, s Store) {
	in := one(t, s)
	for id, change := range map[string]func(*media.Record){
		"older":     func(r *media.Record) { r.StoredAt = At.Add(-2 * time.Second) },
		"old":       func(r *media.Record) { r.StoredAt = At.Add(-time.Second) },
		"young":     func(r *media.Record) { r.StoredAt = At },
		"in bucket": func(r *media.Record) { r.StoredAt, r.Place = At.Add(-time.Second), media.InBucket },
		"wanted":    func(r *media.Record) { r.StoredAt, r.State = At.Add(-time.Second), media.Wanted },
	} {
		r := fileOf(in.ID, id)
		r.State, r.Place = media.Stored, media.OnDisk
		change(&r)
		putFile(t, s, r)
	}
	for limit, want := range map[int][]string{10: {"older", "old"}, 1: {"older"}} {
		got, err := s.ListStoredBefore(t.Context(), At, limit)
		must(t, err)
		if diff := cmp.Diff(want, messagesOf(got)); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func testSweepFiles(t *testing.T, s Store) {
	in := one(t, s)
	old, young := At.Add(-time.Second), At
	for id, change := range map[string]func(*media.Record){
		"bucket1":       func(r *media.Record) { r.State, r.StoredAt = media.Stored, old },
		"bucket2":       func(r *media.Record) { r.State, r.StoredAt = media.Stored, old },
		"failed":        func(r *media.Record) { r.State, r.NextAt = media.Failed, old },
		"bucket, young": func(r *media.Record) { r.State, r.StoredAt = media.Stored, young },
		"failed, young": func(r *media.Record) { r.State, r.NextAt = media.Failed, young },
		"disk":          func(r *media.Record) { r.State, r.Place, r.StoredAt = media.Stored, media.OnDisk, old },
		"wanted":        func(r *media.Record) { r.NextAt, r.StoredAt = old, old },
	} {
		r := fileOf(in.ID, id)
		change(&r)
		putFile(t, s, r)
	}
	for _, want := range []int64{2, 1, 0} { // one of each kind, then what is left
		n, err := s.SweepFiles(t.Context(), At, 1)
		must(t, err)
		if n != want {
			t.Errorf("forgot %d, want %d", n, want)
		}
	}
	for id, want := range map[string]bool{
		"bucket1": false, "bucket2": false, "failed": false, "bucket, young": true, "failed, young": true, "disk": true, "wanted": true,
	} {
		_, found, err := s.GetFile(t.Context(), in.ID, fileOf(in.ID, id).Key)
		must(t, err)
		if found != want {
			t.Errorf("%s: found %v, want %v", id, found, want)
		}
	}
}

func testFileOfNobody(t *testing.T, s Store) {
	in := one(t, s)
	must(t, s.DeleteInstance(t.Context(), in.ID))
	if err := s.PutFile(t.Context(), fileOf(in.ID, "MSG1")); !errors.Is(err, fault.InstanceNotFound()) {
		t.Errorf("got %v", err)
	}
}

func testBucket(t *testing.T, s Store) {
	in := one(t, s)
	if _, found, err := s.GetBucket(t.Context(), in.ID); found || err != nil {
		t.Errorf("before: found %v, %v", found, err)
	}
	for _, want := range []media.BucketConfig{
		{Enabled: true, Region: "sa-east-1", Bucket: "media", AccessKey: "AKIA", SecretKey: "hidden", Endpoint: "https://s3.example.com", PathPrefix: "wa/"},
		{},
	} {
		must(t, s.PutBucket(t.Context(), in.ID, want))
		got, found, err := s.GetBucket(t.Context(), in.ID)
		must(t, err)
		if diff := cmp.Diff(want, got); !found || diff != "" {
			t.Errorf("found %v (-want +got):\n%s", found, diff)
		}
	}
}

func testBucketOfNobody(t *testing.T, s Store) {
	in := one(t, s)
	must(t, s.DeleteInstance(t.Context(), in.ID))
	if err := s.PutBucket(t.Context(), in.ID, media.BucketConfig{}); !errors.Is(err, fault.InstanceNotFound()) {
		t.Errorf("got %v", err)
	}
	if _, found, err := s.GetBucket(t.Context(), in.ID); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

// picture is TextItem with a file.
func picture(n int) (dispatch.Item, *event.Event) {
	item, e := TextItem(n)
	ref := fileOf("", item.Message.ID).Ref
	item.Media = &ref
	return item, e
}

func keyOf(item dispatch.Item) media.Key {
	return media.Key{ChatKey: item.Message.ChatKey, SenderKey: item.Message.SenderKey, MessageID: item.Message.ID}
}

func testKeepMedia(t *testing.T, s Store) {
	in := one(t, s)
	with, e1 := picture(1)
	without, e2 := TextItem(2)
	before := time.Now()
	must(t, s.Record(t.Context(), in.ID, []dispatch.Item{with, without}, []*event.Event{e1, e2}, dispatch.Outbox{KeepMedia: true}))
	due, _, err := s.ListWanted(t.Context(), time.Now().Add(time.Second), 10)
	must(t, err)
	if len(due) != 1 {
		t.Fatalf("%d files are wanted, want 1", len(due))
	}
	got := due[0]
	if got.NextAt.Before(before.Add(-time.Second)) {
		t.Errorf("due at %s, recorded at %s", got.NextAt, before)
	}
	got.NextAt = time.Time{}
	want := media.Record{InstanceID: in.ID, Key: keyOf(with), Ref: *with.Media, State: media.Wanted}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}

func testKeepMediaKnown(t *testing.T, s Store) {
	in := one(t, s)
	item, e := picture(1)
	known := fileOf(in.ID, item.Message.ID)
	known.Key, known.State = keyOf(item), media.Stored
	putFile(t, s, known)
	again, e2 := picture(2)
	repeat, e3 := picture(2)
	must(t, s.Record(t.Context(), in.ID, []dispatch.Item{item, again, repeat}, []*event.Event{e, e2, e3}, dispatch.Outbox{KeepMedia: true}))
	wantFile(t, s, known)
	due, _, err := s.ListWanted(t.Context(), time.Now().Add(time.Second), 10)
	must(t, err)
	if diff := cmp.Diff([]string{again.Message.ID}, messagesOf(due)); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}

func testKeepNoMedia(t *testing.T, s Store) {
	in := one(t, s)
	item, e := picture(1)
	must(t, s.Record(t.Context(), in.ID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}))
	if _, found, err := s.GetFile(t.Context(), in.ID, keyOf(item)); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}
