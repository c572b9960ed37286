package waconv_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa/waconv"
)

// events.md 7.5: what instance.state is made of.
func TestToSignal(t *testing.T) {
	since := time.Date(2026, 4, 28, 10, 30, 0, 0, time.UTC)
	tests := []struct {
		evt  any
		want instance.Signal
	}{
		{&events.QR{Codes: []string{"a", "b"}}, instance.Signal{Kind: instance.SignalQR, Codes: []string{"a", "b"}}},
		{
			&events.PairSuccess{ID: types.JID{User: "55", Device: 4, Server: types.DefaultUserServer}, LID: anaLID, BusinessName: "Acme"},
			instance.Signal{Kind: instance.SignalPaired, Login: instance.Login{
				DeviceJID: "55:4@s.whatsapp.net", LID: "100200300@lid", BusinessName: "Acme",
			}},
		},
		{
			&events.PairError{Error: whatsmeow.ErrPairInvalidDeviceSignature},
			instance.Signal{Kind: instance.SignalPairError, Reason: "the phone's signature is not valid"},
		},
		{
			&events.PairError{Error: &whatsmeow.PairProtoError{Message: "secret"}},
			instance.Signal{Kind: instance.SignalPairError, Reason: "the phone's answer could not be read"},
		},
		{
			&events.PairError{Error: &whatsmeow.PairDatabaseError{Message: "secret"}},
			instance.Signal{Kind: instance.SignalPairError, Reason: "the login could not be saved"},
		},
		{
			&events.PairPasskeyError{Error: errors.New("secret")},
			instance.Signal{Kind: instance.SignalPairError, Reason: "WhatsApp did not accept the pairing"},
		},
		{&events.QRScannedWithoutMultidevice{}, instance.Signal{Kind: instance.SignalScannedWithoutMD}},
		{&events.PairPasskeyRequest{}, instance.Signal{Kind: instance.SignalPasskeyNeeded}},
		{&events.Connected{}, instance.Signal{Kind: instance.SignalConnected}},
		{&events.Disconnected{}, instance.Signal{Kind: instance.SignalDisconnected}},
		{
			&events.LoggedOut{OnConnect: true, Reason: events.ConnectFailureLoggedOut},
			instance.Signal{Kind: instance.SignalLoggedOut, OnConnect: true, Reason: "401: logged out from another device"},
		},
		{&events.StreamReplaced{}, instance.Signal{Kind: instance.SignalStreamReplaced}},
		{
			&events.TemporaryBan{Code: events.TempBanBlockedByUsers, Expire: time.Hour},
			instance.Signal{
				Kind: instance.SignalTempBanned, Code: 102, Reason: "102: too many people blocked you", Expires: time.Hour,
			},
		},
		{&events.ClientOutdated{}, instance.Signal{Kind: instance.SignalClientOutdated}},
		{
			&events.ConnectFailure{Reason: 409, Message: "bad agent"},
			instance.Signal{Kind: instance.SignalConnectFailure, Code: 409, Reason: "bad agent"},
		},
		{
			&events.ConnectFailure{Reason: 409},
			instance.Signal{Kind: instance.SignalConnectFailure, Code: 409, Reason: "409: client user agent was rejected"},
		},
		{&events.StreamError{Code: "516"}, instance.Signal{Kind: instance.SignalStreamError, Reason: "516"}},
		{&events.CATRefreshError{Error: errors.New("secret")}, instance.Signal{Kind: instance.SignalCATRefreshError, Reason: "the token could not be renewed"}},
		{
			&events.KeepAliveTimeout{ErrorCount: 3, LastSuccess: since},
			instance.Signal{Kind: instance.SignalKeepAliveTimeout, Count: 3, Since: since},
		},
		{&events.KeepAliveRestored{}, instance.Signal{Kind: instance.SignalKeepAliveRestored}},
	}
	for _, tt := range tests {
		got, ok := waconv.ToSignal(tt.evt)
		if !ok {
			t.Errorf("%T is no signal", tt.evt)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", tt.evt, diff)
		}
		if items := waconv.Convert(tt.evt, town{}); items != nil {
			t.Errorf("%T is an event too: %v", tt.evt, items)
		}
	}
	if got, ok := waconv.ToSignal(&events.Message{}); ok {
		t.Errorf("a message is the signal %v", got)
	}
}
