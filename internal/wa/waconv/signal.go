package waconv

import (
	"errors"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
)

// ToSignal translates an event about the connection; ok is false for all
// others. The caller sets At, and the Login of SignalConnected.
func ToSignal(evt any) (s instance.Signal, ok bool) {
	if s, ok = pairingSignal(evt); ok {
		return s, true
	}
	if s, ok = refusalSignal(evt); ok {
		return s, true
	}
	switch e := evt.(type) {
	case *events.Connected:
		return instance.Signal{Kind: instance.SignalConnected}, true
	case *events.Disconnected:
		return instance.Signal{Kind: instance.SignalDisconnected}, true
	case *events.KeepAliveTimeout:
		return instance.Signal{Kind: instance.SignalKeepAliveTimeout, Count: e.ErrorCount, Since: e.LastSuccess}, true
	case *events.KeepAliveRestored:
		return instance.Signal{Kind: instance.SignalKeepAliveRestored}, true
	}
	return instance.Signal{}, false
}

func pairingSignal(evt any) (instance.Signal, bool) {
	switch e := evt.(type) {
	case *events.QR:
		return instance.Signal{Kind: instance.SignalQR, Codes: e.Codes}, true
	case *events.PairSuccess:
		login := instance.Login{DeviceJID: jidString(e.ID), LID: jidString(e.LID), BusinessName: e.BusinessName}
		return instance.Signal{Kind: instance.SignalPaired, Login: login}, true
	case *events.PairError:
		return instance.Signal{Kind: instance.SignalPairError, Reason: pairReason(e.Error)}, true
	case *events.PairPasskeyError:
		return instance.Signal{Kind: instance.SignalPairError, Reason: pairReason(e.Error)}, true
	case *events.QRScannedWithoutMultidevice:
		return instance.Signal{Kind: instance.SignalScannedWithoutMD}, true
	case *events.PairPasskeyRequest:
		return instance.Signal{Kind: instance.SignalPasskeyNeeded}, true
	}
	return instance.Signal{}, false
}

// refusalSignal reads the events after which whatsmeow does not reconnect.
func refusalSignal(evt any) (instance.Signal, bool) {
	switch e := evt.(type) {
	case *events.LoggedOut:
		return instance.Signal{Kind: instance.SignalLoggedOut, Reason: e.Reason.String(), OnConnect: e.OnConnect}, true
	case *events.StreamReplaced:
		return instance.Signal{Kind: instance.SignalStreamReplaced}, true
	case *events.TemporaryBan:
		return instance.Signal{
			Kind: instance.SignalTempBanned, Code: int(e.Code), Reason: e.Code.String(), Expires: e.Expire,
		}, true
	case *events.ClientOutdated:
		return instance.Signal{Kind: instance.SignalClientOutdated}, true
	case *events.ConnectFailure:
		reason := e.Message
		if reason == "" {
			reason = e.Reason.String()
		}
		return instance.Signal{Kind: instance.SignalConnectFailure, Code: int(e.Reason), Reason: reason}, true
	case *events.StreamError:
		return instance.Signal{Kind: instance.SignalStreamError, Reason: e.Code}, true
	case *events.CATRefreshError:
		return instance.Signal{Kind: instance.SignalCATRefreshError, Reason: fault.ReasonOr(e.Error, "the token could not be renewed")}, true
	}
	return instance.Signal{}, false
}

// pairReason says in public words why the phone's answer was not taken.
func pairReason(err error) string {
	var garbled *whatsmeow.PairProtoError
	var unsaved *whatsmeow.PairDatabaseError
	switch {
	case errors.Is(err, whatsmeow.ErrPairInvalidDeviceIdentityHMAC), errors.Is(err, whatsmeow.ErrPairInvalidDeviceSignature):
		return "the phone's signature is not valid"
	case errors.As(err, &garbled):
		return "the phone's answer could not be read"
	case errors.As(err, &unsaved):
		return "the login could not be saved"
	}
	return fault.ReasonOr(err, "WhatsApp did not accept the pairing")
}
