package wa

import (
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

// What the phone shows and checks about a linked device. The display name of
// code pairing must be a known browser and system, or WhatsApp answers 400.
const (
	pairClientType = whatsmeow.PairClientChrome
	pairClientName = "Chrome (Linux)"
)

// payload is what the client says about itself in the handshake. It replaces
// the library's, which reads package variables: history depth, device name and
// web version are decided per engine and instance, and no global is written.
func (c *client) payload() *waWa6.ClientPayload {
	p := c.wm.Store.GetClientPayload()
	version := c.engine.version.get()
	p.UserAgent.AppVersion = version.ProtoAppVersion()
	if reg := p.GetDevicePairingData(); reg != nil {
		hash := version.Hash()
		reg.BuildHash = hash[:]
		if props, err := proto.Marshal(c.deviceProps()); err == nil {
			reg.DeviceProps = props
		} else {
			c.log.Error("device properties could not be encoded; the library's are sent", "error", err)
		}
	}
	return p
}

// deviceProps describes the device to the phone, with how much history it
// should send: WhatsApp reads the limits in days, and a full sync only if
// required.
func (c *client) deviceProps() *waCompanionReg.DeviceProps {
	props := proto.Clone(store.DeviceProps).(*waCompanionReg.DeviceProps)
	props.Os = proto.String(c.engine.opts.DeviceName)
	props.PlatformType = waCompanionReg.DeviceProps_CHROME.Enum()
	days := uint32(max(c.spec.HistoryDays, 0))
	props.RequireFullSync = proto.Bool(days > 0)
	if days > 0 {
		props.HistorySyncConfig.FullSyncDaysLimit = proto.Uint32(days)
		props.HistorySyncConfig.RecentSyncDaysLimit = proto.Uint32(days)
	}
	return props
}
