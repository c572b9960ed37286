package storetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chasqui/chasqui/internal/account"
	"github.com/chasqui/chasqui/internal/chat"
	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
	"github.com/chasqui/chasqui/internal/message"
	"github.com/chasqui/chasqui/internal/webhook"
)

// Store is what the suite asks of an implementation.
type Store interface {
	account.Store
	instance.Store
	dispatch.Store
	message.Store
	media.Store
	chat.Store
	webhook.Store
	webhook.Queue
	webhook.Bodies

	Ping(ctx context.Context) error
	Name(ctx context.Context, instanceID, jid string) (string, error)
	Labels(ctx context.Context, instanceID string) ([]dispatch.LabelRecord, error)
	CountMessages(ctx context.Context, instanceID string) (int64, error)
	MessageStatus(ctx context.Context, instanceID, chatKey, messageID string) (status string, found bool, err error)
	SweepMessages(ctx context.Context, before time.Time, step int) (n int64, err error)
	SweepFiles(ctx context.Context, before time.Time, step int) (n int64, err error)
	SweepDeliveries(ctx context.Context, state webhook.State, before time.Time, step int) (n int64, err error)
	GiveUpPaused(ctx context.Context, before time.Time, step int) (n int64, err error)
}

// Run checks an implementation. open returns a new, empty store and closes it
// when the test is over.
func Run(t *testing.T, open func(t testing.TB) Store) {
	for _, part := range []map[string]func(*testing.T, Store){
		accountTests, instanceTests, recordTests, messageTests, mediaTests, chatTests,
		webhookTests, queueTests, bodyTests, sweepTests,
	} {
		for name, test := range part {
			t.Run(name, func(t *testing.T) { test(t, open(t)) })
		}
	}
}

// At is a time as the store keeps it: UTC and in milliseconds.
var At = time.Date(2026, 9, 1, 12, 0, 0, 123e6, time.UTC)

// NewAccount creates an account with that name and returns it.
func NewAccount(t testing.TB, s account.Store, name string) account.Account {
	t.Helper()
	a := account.Account{ID: newID(t), Name: name, CreatedAt: At, UpdatedAt: At}
	must(t, s.CreateAccount(t.Context(), a, account.HashToken("token-of-account-"+name)))
	return a
}

// NewInstance creates an instance with that name and returns it. Its token is
// as unique as the name.
func NewInstance(t testing.TB, s instance.Store, accountID, name string) instance.Instance {
	t.Helper()
	in := instanceNamed(t, accountID, name)
	must(t, s.CreateInstance(t.Context(), in, nil))
	return in
}

func instanceNamed(t testing.TB, accountID, name string) instance.Instance {
	t.Helper()
	return instance.Instance{
		ID:        newID(t),
		AccountID: accountID,
		Name:      name,
		Token:     "token-of-instance-" + name,
		Settings:  instance.DefaultSettings(),
		CreatedAt: At,
		UpdatedAt: At,
	}
}

// one creates an account "acme" with one instance "sales".
func one(t testing.TB, s Store) instance.Instance {
	t.Helper()
	return NewInstance(t, s, NewAccount(t, s, "acme").ID, "sales")
}

// TextItem is an incoming text and its event, not recorded yet.
func TextItem(n int) (dispatch.Item, *event.Event) {
	id := "MSG" + strconv.Itoa(n)
	body := &event.Message{ID: id}
	return dispatch.Item{
		Data: body,
		Message: &dispatch.MessageRecord{
			ID:        id,
			ChatKey:   "5511999999999@s.whatsapp.net",
			SenderKey: "5511999999999@s.whatsapp.net",
			Type:      "text",
			Text:      "hello " + strconv.Itoa(n),
			Timestamp: At,
			Raw:       []byte("protobuf of " + id),
		},
	}, &event.Event{ID: "evt_" + id, Data: body}
}

// record records one item and returns the sequence that its event got.
func record(t testing.TB, s Store, instanceID string, item dispatch.Item) int64 {
	t.Helper()
	e := &event.Event{ID: "evt", Data: item.Data}
	if item.Data == nil {
		e = nil
	}
	must(t, s.Record(t.Context(), instanceID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}))
	if e == nil {
		return 0
	}
	return e.Sequence
}

func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	must(t, err)
	return id.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
