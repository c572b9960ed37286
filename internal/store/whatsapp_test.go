package store_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waAdv"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/store"
	"github.com/chasqui/chasqui/internal/store/storetest"
)

// deadline is how long whatsmeow's store may take before it counts as waiting
// for itself.
const deadline = 30 * time.Second

func newContainer(ctx context.Context, t testing.TB, db *store.DB) *sqlstore.Container {
	t.Helper()
	container := sqlstore.NewWithDB(db.WhatsApp(), "sqlite3", nil)
	must(t, container.Upgrade(ctx))
	return container
}

func newDevice(ctx context.Context, t testing.TB, container *sqlstore.Container, n int) *wastore.Device {
	t.Helper()
	device := container.NewDevice()
	jid := types.NewADJID(fmt.Sprint("551190000000", n), 0, 1)
	device.ID = &jid
	device.LID = types.JID{User: fmt.Sprint(1000 + n), Device: 1, Server: types.HiddenUserServer}
	device.Account = &waAdv.ADVSignedDeviceIdentity{
		Details:             []byte{1},
		AccountSignature:    make([]byte, 64),
		AccountSignatureKey: make([]byte, 32),
		DeviceSignature:     make([]byte, 64),
	}
	must(t, container.PutDevice(ctx, device))
	return device
}

// receive does to the store what whatsmeow does for one incoming message with
// EnableDecryptedEventBuffer: look the sender up, decrypt and buffer the plain
// text in one transaction, note names and addresses.
func receive(ctx context.Context, d *wastore.Device, n int) error {
	sender := types.JID{User: fmt.Sprint(5511900000 + n%7), Server: types.DefaultUserServer}
	lid := types.JID{User: fmt.Sprint(2000 + n%7), Server: types.HiddenUserServer}
	address := sender.SignalAddress().String()
	if _, err := d.LIDs.GetLIDForPN(ctx, sender); err != nil {
		return err
	}
	var hash [32]byte
	copy(hash[:], strconv.Itoa(n))
	if _, err := d.EventBuffer.GetBufferedEvent(ctx, hash); err != nil {
		return err
	}
	err := d.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		if _, err := d.Sessions.GetSession(ctx, address); err != nil {
			return err
		}
		if _, err := d.Identities.IsTrustedIdentity(ctx, address, hash); err != nil {
			return err
		}
		if err := d.Identities.PutIdentity(ctx, address, hash); err != nil {
			return err
		}
		if err := d.Sessions.PutManySessions(ctx, map[string][]byte{address: hash[:]}); err != nil {
			return err
		}
		if err := d.PreKeys.RemovePreKey(ctx, uint32(n)); err != nil {
			return err
		}
		return d.EventBuffer.PutBufferedEvent(ctx, hash, []byte("plain"), time.Now())
	})
	if err != nil {
		return err
	}
	if err := d.LIDs.PutManyLIDMappings(ctx, []wastore.LIDMapping{{LID: lid, PN: sender}}); err != nil {
		return err
	}
	if _, _, err := d.Contacts.PutPushName(ctx, sender, fmt.Sprint("Ana ", n)); err != nil {
		return err
	}
	return d.EventBuffer.ClearBufferedEventPlaintext(ctx, hash)
}

// TestWhatsAppSharesTheWriter runs whatsmeow's store for several devices beside
// our own records, all over the one write connection. It fails when anything
// there waits for itself, and when anybody ever meets SQLITE_BUSY.
func TestWhatsAppSharesTheWriter(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	db := open(t, newFile(t))
	a := storetest.NewAccount(t, db, "acme")
	container := newContainer(ctx, t, db)
	const devices, goroutines, messages = 3, 2, 25
	var wg sync.WaitGroup
	for d := range devices {
		id := storetest.NewInstance(t, db, a.ID, fmt.Sprint("in", d)).ID
		device := newDevice(ctx, t, container, d)
		wg.Go(func() {
			if _, err := device.PreKeys.GetOrGenPreKeys(ctx, 30); err != nil {
				t.Error(err)
			}
		})
		for g := range goroutines {
			wg.Go(func() {
				for n := range messages {
					if err := receiveAndRecord(ctx, db, device, id, g*messages+n); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	all, err := container.GetAllDevices(ctx)
	must(t, err)
	if len(all) != devices {
		t.Errorf("%d devices stored", len(all))
	}
	for _, device := range all {
		contacts, err := device.Contacts.GetAllContacts(ctx)
		must(t, err)
		if len(contacts) != 7 {
			t.Errorf("%s: %d contacts stored, want the 7 senders", device.ID, len(contacts))
		}
	}
}

func receiveAndRecord(ctx context.Context, db *store.DB, device *wastore.Device, id string, n int) error {
	if err := receive(ctx, device, n); err != nil {
		return fmt.Errorf("whatsmeow's store: %w", err)
	}
	item, e := storetest.TextItem(n)
	if err := db.Record(ctx, id, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if _, err := db.ListInstances(ctx, ""); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// TestWhatsAppTablesSurviveReopen checks that both schemas live in one file.
func TestWhatsAppTablesSurviveReopen(t *testing.T) {
	path := newFile(t)
	with(t, path, func(db *store.DB) {
		newDevice(t.Context(), t, newContainer(t.Context(), t, db), 1)
	})
	with(t, path, func(db *store.DB) {
		all, err := newContainer(t.Context(), t, db).GetAllDevices(t.Context())
		must(t, err)
		if len(all) != 1 {
			t.Errorf("%d devices after reopening", len(all))
		}
	})
}
