package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/dispatch"
	"github.com/chasqui/chasqui/internal/event"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

var instanceTests = map[string]func(*testing.T, Store){
	"InstanceComesBackWhole":               testInstanceRoundTrip,
	"UnknownInstanceIsNotFound":            testUnknownInstance,
	"InstanceNamesAreUniquePerAccount":     testInstanceNames,
	"QuotaRefusesOneMore":                  testQuota,
	"ConcurrentInstancesNeverExceedQuota":  testQuotaRace,
	"ConcurrentInstancesKeepOneName":       testInstanceNameRace,
	"InstancesAreListedByName":             testListInstances,
	"SettingsAreReplaced":                  testUpdateSettings,
	"ProxyIsReplacedAndCleared":            testUpdateProxy,
	"RotatedInstanceTokenReplacesOld":      testUpdateInstanceToken,
	"LoginIsStoredAndCleared":              testUpdateLogin,
	"PhoneSeenIsKept":                      testUpdatePhoneSeen,
	"WebSocketConfigurationIsReplaced":     testWebSocket,
	"DeletedInstanceLeavesNothing":         testDeleteInstance,
	"DeletedInstanceIsFoundByNothing":      testDeletedIsGone,
	"WebSocketOfUnknownInstanceIsNotFound": testWebSocketUnknown,
}

func testInstanceRoundTrip(t *testing.T, s Store) {
	want := instance.Instance{
		ID:        newID(t),
		AccountID: NewAccount(t, s, "acme").ID,
		Name:      "sales",
		Token:     "a token of its own",
		Login: instance.Login{
			DeviceJID: "5511999999999:7@s.whatsapp.net", LID: "100200300:7@lid",
			PushName: "Ana", BusinessName: "Acme", PictureURL: "https://pps.whatsapp.net/v/p.jpg",
		},
		LoggedOut: true,
		Settings: instance.Settings{
			AutoRejectCalls: true, CallRejectMessage: "Please write to us.", IgnoreGroupMessages: true,
			KeepOnlineStatus: true, AutoReadMessages: true, DisableHistorySync: true, IgnoreStatus: true,
		},
		Proxy: instance.Proxy{
			Enabled: true, Host: "proxy.example.com", Port: "1080", Protocol: "socks5",
			Username: "user1", Password: "hunter2",
		},
		PhoneSeen: At.Add(-time.Hour),
		CreatedAt: At,
		UpdatedAt: At.Add(time.Minute),
	}
	must(t, s.CreateInstance(t.Context(), want, nil))
	byName, err := s.GetInstance(t.Context(), want.AccountID, "sales")
	must(t, err)
	byToken, err := s.GetInstanceByToken(t.Context(), want.Token)
	must(t, err)
	for _, got := range []instance.Instance{byName, byToken} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func testUnknownInstance(t *testing.T, s Store) {
	ctx := t.Context()
	in := one(t, s)
	other := NewAccount(t, s, "other")
	_, byName := s.GetInstance(ctx, in.AccountID, "nobody")
	_, elsewhere := s.GetInstance(ctx, other.ID, "sales")
	_, byToken := s.GetInstanceByToken(ctx, "nobody")
	for name, err := range map[string]error{
		"GetInstance":                    byName,
		"GetInstance in another account": elsewhere,
		"GetInstanceByToken":             byToken,
		"UpdateSettings":                 s.UpdateSettings(ctx, "nobody", instance.Settings{}, At),
		"UpdateProxy":                    s.UpdateProxy(ctx, "nobody", instance.Proxy{}, At),
		"UpdateToken":                    s.UpdateToken(ctx, "nobody", "token", At),
		"UpdateLogin":                    s.UpdateLogin(ctx, "nobody", instance.Login{}, false, At),
		"UpdatePhoneSeen":                s.UpdatePhoneSeen(ctx, "nobody", At),
		"DeleteInstance":                 s.DeleteInstance(ctx, "nobody"),
		"Record":                         s.Record(ctx, "nobody", nil, nil, dispatch.Outbox{}),
	} {
		if !errors.Is(err, fault.InstanceNotFound()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testInstanceNames(t *testing.T, s Store) {
	in := one(t, s)
	again := instanceNamed(t, in.AccountID, "sales")
	again.Token = "another token"
	err := s.CreateInstance(t.Context(), again, nil)
	if !errors.Is(err, fault.New(fault.Conflict, "Instance already exists")) {
		t.Errorf("second instance of that name: %v", err)
	}
	again.AccountID = NewAccount(t, s, "other").ID
	must(t, s.CreateInstance(t.Context(), again, nil))
}

func quotaFault() error { return fault.New(fault.Forbidden, "Account instance quota exceeded") }

func testQuota(t *testing.T, s Store) {
	a := NewAccount(t, s, "acme")
	limit := 1
	must(t, s.CreateInstance(t.Context(), instanceNamed(t, a.ID, "first"), &limit))
	second := instanceNamed(t, a.ID, "second")
	if err := s.CreateInstance(t.Context(), second, &limit); !errors.Is(err, quotaFault()) {
		t.Errorf("one more than the limit: %v", err)
	}
	first, err := s.GetInstance(t.Context(), a.ID, "first")
	must(t, err)
	must(t, s.DeleteInstance(t.Context(), first.ID)) // frees the slot
	must(t, s.CreateInstance(t.Context(), second, &limit))
}

func testQuotaRace(t *testing.T, s Store) {
	a := NewAccount(t, s, "acme")
	limit := 3
	made := atOnce(t, 12, quotaFault(), func(i int) error {
		return s.CreateInstance(t.Context(), instanceNamed(t, a.ID, fmt.Sprint("in", i)), &limit)
	})
	used, err := s.CountInstances(t.Context(), a.ID)
	must(t, err)
	if made != limit || used != limit {
		t.Errorf("%d made, %d stored, the limit is %d", made, used, limit)
	}
}

func testInstanceNameRace(t *testing.T, s Store) {
	a := NewAccount(t, s, "acme")
	made := atOnce(t, 8, fault.New(fault.Conflict, "Instance already exists"), func(i int) error {
		in := instanceNamed(t, a.ID, "sales")
		in.Token += fmt.Sprint(i)
		return s.CreateInstance(t.Context(), in, nil)
	})
	if made != 1 {
		t.Errorf("%d instances with one name", made)
	}
}

func testListInstances(t *testing.T, s Store) {
	a, b := NewAccount(t, s, "a"), NewAccount(t, s, "b")
	for _, name := range []string{"b", "B", "a"} {
		NewInstance(t, s, a.ID, name)
	}
	NewInstance(t, s, b.ID, "Z")
	for id, want := range map[string][]string{a.ID: {"B", "a", "b"}, "": {"B", "Z", "a", "b"}, "nobody": {}} {
		list, err := s.ListInstances(t.Context(), id)
		must(t, err)
		names := []string{}
		for _, in := range list {
			names = append(names, in.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("account %q (-want +got):\n%s", id, diff)
		}
	}
}

// changed applies update and checks that the instance is as edit makes it.
func changed(t *testing.T, s Store, in *instance.Instance, update func() error, edit func(*instance.Instance)) {
	t.Helper()
	must(t, update())
	edit(in)
	got, err := s.GetInstance(t.Context(), in.AccountID, in.Name)
	must(t, err)
	if diff := cmp.Diff(*in, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func testUpdateSettings(t *testing.T, s Store) {
	in := one(t, s)
	at := At.Add(time.Hour)
	for _, want := range []instance.Settings{{AutoRejectCalls: true, CallRejectMessage: "no"}, {IgnoreStatus: true}, {}} {
		changed(t, s, &in, func() error { return s.UpdateSettings(t.Context(), in.ID, want, at) },
			func(in *instance.Instance) { in.Settings, in.UpdatedAt = want, at })
	}
}

func testUpdateProxy(t *testing.T, s Store) {
	in := one(t, s)
	at := At.Add(time.Hour)
	full := instance.Proxy{Enabled: true, Host: "h", Port: "1", Protocol: "http", Username: "u", Password: "p"}
	for _, want := range []instance.Proxy{full, {Enabled: true, Host: "h", Port: "1", Protocol: "http"}, {}} {
		changed(t, s, &in, func() error { return s.UpdateProxy(t.Context(), in.ID, want, at) },
			func(in *instance.Instance) { in.Proxy, in.UpdatedAt = want, at })
	}
}

func testUpdateInstanceToken(t *testing.T, s Store) {
	in := one(t, s)
	old, at := in.Token, At.Add(time.Hour)
	changed(t, s, &in, func() error { return s.UpdateToken(t.Context(), in.ID, "a new token", at) },
		func(in *instance.Instance) { in.Token, in.UpdatedAt = "a new token", at })
	if _, err := s.GetInstanceByToken(t.Context(), old); !errors.Is(err, fault.InstanceNotFound()) {
		t.Errorf("by the old token: %v", err)
	}
}

func testUpdateLogin(t *testing.T, s Store) {
	in := one(t, s)
	at := At.Add(time.Hour)
	login := instance.Login{DeviceJID: "5511999999999:1@s.whatsapp.net", LID: "1:1@lid", PushName: "Ana"}
	changed(t, s, &in, func() error { return s.UpdateLogin(t.Context(), in.ID, login, false, at) },
		func(in *instance.Instance) { in.Login, in.UpdatedAt = login, at })
	changed(t, s, &in, func() error { return s.UpdateLogin(t.Context(), in.ID, instance.Login{}, true, at) },
		func(in *instance.Instance) { in.Login, in.LoggedOut = instance.Login{}, true })
}

func testUpdatePhoneSeen(t *testing.T, s Store) {
	in := one(t, s)
	at := At.Add(time.Hour)
	changed(t, s, &in, func() error { return s.UpdatePhoneSeen(t.Context(), in.ID, at) },
		func(in *instance.Instance) { in.PhoneSeen = at })
}

func testWebSocket(t *testing.T, s Store) {
	in := one(t, s)
	if _, found, err := s.GetWebSocket(t.Context(), in.ID); found || err != nil {
		t.Errorf("never configured: found %v, %v", found, err)
	}
	for _, want := range []dispatch.WebSocket{
		{Enabled: true, Events: []event.Type{event.TypeStatus, event.TypeMessage}, MediaBase64: true},
		{Enabled: true, Events: []event.Type{}},
		{Enabled: false, Events: []event.Type{}},
	} {
		must(t, s.PutWebSocket(t.Context(), in.ID, want))
		got, found, err := s.GetWebSocket(t.Context(), in.ID)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" || !found {
			t.Errorf("found %v (-want +got):\n%s", found, diff)
		}
	}
}

func testWebSocketUnknown(t *testing.T, s Store) {
	err := s.PutWebSocket(t.Context(), "nobody", dispatch.WebSocket{Enabled: true})
	if !errors.Is(err, fault.InstanceNotFound()) {
		t.Errorf("got %v", err)
	}
}

// testDeleteInstance fills every table for two instances and deletes one.
func testDeleteInstance(t *testing.T, s Store) {
	in := one(t, s)
	stays := NewInstance(t, s, in.AccountID, "stays")
	for _, id := range []string{in.ID, stays.ID} {
		must(t, s.PutWebSocket(t.Context(), id, dispatch.WebSocket{Enabled: true}))
		item, _ := TextItem(1)
		item.Names = []dispatch.NameRecord{{JID: "a@lid", Name: "Ana"}}
		record(t, s, id, item)
		record(t, s, id, labelItem(dispatch.LabelRecord{LabelID: "1", Name: "new"}))
		record(t, s, id, labelItem(dispatch.LabelRecord{LabelID: "1", ChatJID: "a@lid", Labeled: true}))
	}
	must(t, s.DeleteInstance(t.Context(), in.ID))
	for _, left := range []struct {
		id   string
		want int
	}{{in.ID, 0}, {stays.ID, 5}} {
		if got := countRows(t, s, left.id); got != left.want {
			t.Errorf("%d rows left, want %d", got, left.want)
		}
	}
}

// countRows counts what is stored beside the instance itself.
func countRows(t *testing.T, s Store, id string) int {
	t.Helper()
	messages, err := s.CountMessages(t.Context(), id)
	must(t, err)
	labels, err := s.Labels(t.Context(), id)
	must(t, err)
	name, err := s.Name(t.Context(), id, "a@lid")
	must(t, err)
	_, configured, err := s.GetWebSocket(t.Context(), id)
	must(t, err)
	n := int(messages) + len(labels)
	if name != "" {
		n++
	}
	if configured {
		n++
	}
	return n
}

func testDeletedIsGone(t *testing.T, s Store) {
	in := one(t, s)
	must(t, s.DeleteInstance(t.Context(), in.ID))
	_, byName := s.GetInstance(t.Context(), in.AccountID, in.Name)
	_, byToken := s.GetInstanceByToken(t.Context(), in.Token)
	item, e := TextItem(1)
	for name, err := range map[string]error{
		"GetInstance":        byName,
		"GetInstanceByToken": byToken,
		"DeleteInstance":     s.DeleteInstance(t.Context(), in.ID),
		"Record":             s.Record(t.Context(), in.ID, []dispatch.Item{item}, []*event.Event{e}, dispatch.Outbox{}),
	} {
		if !errors.Is(err, fault.InstanceNotFound()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
