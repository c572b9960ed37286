package waid

import (
	"errors"
	"strconv"
	"strings"
)

// The servers (right-hand sides) of WhatsApp addresses.
const (
	ServerUser       = "s.whatsapp.net"
	ServerLID        = "lid"
	ServerGroup      = "g.us"
	ServerNewsletter = "newsletter"
	ServerBroadcast  = "broadcast"

	// serverLegacyUser is how older clients spell ServerUser.
	serverLegacyUser = "c.us"
)

// ErrMalformed says that a string is not an address of the form
// user[:device]@server.
var ErrMalformed = errors.New("waid: malformed address")

// JID is one WhatsApp address. The zero value stands for no address. Device is
// the linked device, 0 for the phone itself or for the account as a whole.
type JID struct {
	User   string
	Device uint16
	Server string
}

// Status is the address that all status updates go through.
var Status = JID{User: "status", Server: ServerBroadcast}

// Parse reads user[:device]@server as this package and WhatsApp write it. The
// legacy server c.us becomes s.whatsapp.net. The only error is ErrMalformed.
func Parse(s string) (JID, error) {
	left, server, ok := strings.Cut(s, "@")
	if !ok || !isServer(server) {
		return JID{}, ErrMalformed
	}
	user, device, hasDevice := strings.Cut(left, ":")
	if !isUser(user) {
		return JID{}, ErrMalformed
	}
	j := JID{User: user, Server: canonicalServer(server)}
	if hasDevice {
		n, err := strconv.ParseUint(device, 10, 16)
		if err != nil || device[0] == '+' {
			return JID{}, ErrMalformed
		}
		j.Device = uint16(n)
	}
	return j, nil
}

// String is the inverse of Parse; the zero JID is the empty string.
func (j JID) String() string {
	switch {
	case j.Server == "":
		return ""
	case j.Device == 0:
		return j.User + "@" + j.Server
	}
	return j.User + ":" + strconv.FormatUint(uint64(j.Device), 10) + "@" + j.Server
}

// NonDevice returns the address of the account behind a device.
func (j JID) NonDevice() JID {
	j.Device = 0
	return j
}

// IsZero reports whether there is no address.
func (j JID) IsZero() bool { return j == JID{} }

// IsUser reports whether this is a phone number.
func (j JID) IsUser() bool { return j.Server == ServerUser }

// IsLID reports whether this is a hidden identity.
func (j JID) IsLID() bool { return j.Server == ServerLID }

// IsGroup reports whether this is a group or a community.
func (j JID) IsGroup() bool { return j.Server == ServerGroup }

// IsNewsletter reports whether this is a channel.
func (j JID) IsNewsletter() bool { return j.Server == ServerNewsletter }

// IsStatus reports whether this is the address of status updates.
func (j JID) IsStatus() bool { return j == Status }

func canonicalServer(server string) string {
	if server == serverLegacyUser {
		return ServerUser
	}
	return server
}

func isServer(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz.") == ""
}

func isUser(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._+"
	return s != "" && strings.Trim(s, allowed) == ""
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
