package waid

// The servers (right-hand sides) of WhatsApp addresses.
const (
	ServerUser       = "s.whatsapp.net"
	ServerLID        = "lid"
	ServerGroup      = "g.us"
	ServerNewsletter = "newsletter"
	ServerBroadcast  = "broadcast"
)
