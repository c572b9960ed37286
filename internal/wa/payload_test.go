package wa_test

import (
	"testing"

	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"

	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/wa"
	"github.com/chasqui/chasqui/wasim"
)

func propsOf(t *testing.T, c instance.Client) *waCompanionReg.DeviceProps {
	t.Helper()
	var props waCompanionReg.DeviceProps
	if err := proto.Unmarshal(wa.Payload(c).GetDevicePairingData().GetDeviceProps(), &props); err != nil {
		t.Fatal(err)
	}
	return &props
}

func TestHistoryDepthIsAskedForPerInstance(t *testing.T) {
	library := proto.Clone(store.DeviceProps)
	r := newRig(t, func(o *wa.Options) { o.DeviceName = "Acme" })
	r.spec.HistoryDays = 30
	r.open()
	props := propsOf(t, r.client)
	if got := props.GetHistorySyncConfig().GetFullSyncDaysLimit(); got != 30 || !props.GetRequireFullSync() {
		t.Errorf("asked for %d days, full sync %t", got, props.GetRequireFullSync())
	}
	if props.GetOs() != "Acme" || props.GetPlatformType() != waCompanionReg.DeviceProps_CHROME {
		t.Errorf("shown as %s on %v", props.GetOs(), props.GetPlatformType())
	}
	r.client.Close()
	r.spec.HistoryDays = 0
	r.open()
	if props := propsOf(t, r.client); props.GetRequireFullSync() {
		t.Error("a full sync is asked for with history off")
	}
	if !proto.Equal(library, store.DeviceProps) {
		t.Error("the library's package variable was written")
	}
}

func TestThePinnedVersionIsInThePayload(t *testing.T) {
	r := newRig(t, func(o *wa.Options) { o.Version = "2.3000.77" })
	r.open()
	if got := wa.Payload(r.client).GetUserAgent().GetAppVersion().GetTertiary(); got != 77 {
		t.Errorf("version in the payload ends in %d", got)
	}
}

// History causes no events, on or off; names in it are kept when it is on.
func TestHistoryCausesNoEvents(t *testing.T) {
	for _, days := range []int{0, 7} {
		r := newRig(t)
		own := r.net.Phone(ownNumber)
		ana, err := r.net.AddPhone(anaNumber, "Ana")
		if err != nil {
			t.Fatal(err)
		}
		old := r.send(ana, ownNumber, wasim.Message{Text: "before linking"})
		if _, err := own.Wait(r.ctx(), func(m wasim.Received) bool { return m.ID == old }); err != nil {
			t.Fatal(err)
		}
		r.spec.HistoryDays = days
		r.link(own, instance.Settings{})
		id := r.send(ana, ownNumber, wasim.Message{Text: "after linking"})
		r.events.message(t, id)
		if n := r.events.count(isMessage(old)); n != 0 {
			t.Errorf("%d days: history caused an event", days)
		}
	}
}
