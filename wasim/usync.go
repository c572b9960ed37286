package wasim

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow/types"
)

// handleUsync answers questions about users: each protocol in the query is answered for each user in the list
// (whatsmeow: user.go/usync).
func handleUsync(c *conn, iq *Node) {
	ask, ok := iq.GetOptionalChildByTag("usync")
	if !ok {
		c.unanswerable(iq)
		return
	}
	query, list := ask.GetChildByTag("query"), ask.GetChildByTag("list")
	var users []Node
	for _, u := range list.GetChildren() {
		users = append(users, c.describeUser(query.GetChildren(), &u))
	}
	c.send(result(iq, Node{
		Tag:   "usync",
		Attrs: Attrs{"sid": stringAttr(&ask, "sid"), "mode": stringAttr(&ask, "mode"), "index": "0", "last": "true"},
		Content: []Node{
			{Tag: "result", Content: query.GetChildren()},
			{Tag: "list", Content: users},
		},
	}))
}

// asked is one user of a query: named by address, by a <lid jid> element, or by a number in a <contact> element.
type asked struct {
	jid     types.JID
	contact string // the queried string, echoed
	account *account
}

func (s *Server) resolveAsked(u *Node) asked {
	out := asked{jid: jidAttr(u, "jid")}
	if contact, ok := u.GetOptionalChildByTag("contact"); ok {
		out.contact = string(bytesOf(contact))
		if out.contact != "" {
			number, _, _ := strings.Cut(out.contact, "@")
			out.jid = types.NewJID(strings.TrimPrefix(number, "+"), types.DefaultUserServer)
		}
	} else if lid, ok := u.GetOptionalChildByTag("lid"); ok && out.jid.IsEmpty() {
		out.jid = jidAttr(&lid, "jid")
	}
	out.account = s.accounts.find(out.jid)
	return out
}

// describeUser answers for one user. A contact query with addressing_mode lid is answered under the hidden identity,
// with the number as pn_jid (whatsmeow: user.go/IsOnWhatsApp).
func (c *conn) describeUser(query []Node, u *Node) Node {
	who := c.server.resolveAsked(u)
	attrs := Attrs{"jid": who.jid}
	var content []Node
	for _, q := range query {
		if q.Tag == "contact" && stringAttr(&q, "addressing_mode") == "lid" {
			attrs = Attrs{"jid": who.jid, "pn_jid": who.jid}
			if who.account != nil {
				attrs = Attrs{"jid": who.account.lid, "pn_jid": who.account.pn}
			}
		}
		if answer := usyncProtocols[q.Tag]; answer != nil {
			content = append(content, answer(c, who)...)
		}
	}
	n := Node{Tag: "user", Attrs: attrs}
	if len(content) > 0 {
		n.Content = content
	}
	return n
}

// usyncProtocols answer one protocol for one user; who.account is nil for a number that is not on the network.
// Protocols that are missing here (business, picture, username, text_status) have nothing to say about simulated
// people, which an absent element expresses.
var usyncProtocols = map[string]func(c *conn, who asked) []Node{
	"contact":           usyncContact,
	"devices":           usyncDevices,
	"lid":               usyncLID,
	"status":            usyncStatus,
	"disappearing_mode": usyncDisappearing,
	"picture":           usyncPicture,
}

func usyncContact(_ *conn, who asked) []Node {
	kind := "out"
	if who.account != nil {
		kind = "in"
	}
	n := Node{Tag: "contact", Attrs: Attrs{"type": kind}}
	if who.contact != "" {
		n.Content = []byte(who.contact)
	}
	return []Node{n}
}

// usyncDevices lists a user's devices and notes that the asking account keeps the list. Unrelated clients skip a
// companion without key-index.
func usyncDevices(c *conn, who asked) []Node {
	if who.account == nil {
		return nil
	}
	who.account.watch(c.device.account)
	devices := []Node{{Tag: "device", Attrs: Attrs{"id": "0"}}}
	for _, d := range who.account.linkedDevices() {
		devices = append(devices, Node{Tag: "device", Attrs: Attrs{
			"id": strconv.Itoa(int(d.id)), "key-index": strconv.FormatUint(uint64(d.keyIndex), 10),
		}})
	}
	return []Node{{Tag: "devices", Content: []Node{
		{Tag: "device-list", Attrs: Attrs{"dhash": deviceHash(who.account.addresses(who.jid))}, Content: devices},
		who.account.phone.keyIndexList(),
	}}}
}

// addresses lists the account's devices in the form of address that form has.
func (a *account) addresses(form types.JID) []types.JID {
	numbers := a.deviceNumbers()
	out := make([]types.JID, len(numbers))
	for i, id := range numbers {
		if form.Server == types.HiddenUserServer {
			out[i] = a.lidJID(id)
		} else {
			out[i] = a.jid(id)
		}
	}
	return out
}

func usyncLID(_ *conn, who asked) []Node {
	if who.account == nil {
		return nil
	}
	return []Node{{Tag: "lid", Attrs: Attrs{"val": who.account.lid}}}
}

func usyncStatus(c *conn, who asked) []Node {
	if who.account == nil {
		return nil
	}
	return []Node{{Tag: "status", Attrs: Attrs{"t": timestamp(c.server.now())}, Content: []byte(who.account.aboutText())}}
}

func (a *account) aboutText() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.about
}

func usyncDisappearing(c *conn, who asked) []Node {
	if who.account == nil {
		return nil
	}
	return []Node{{Tag: "disappearing_mode", Attrs: Attrs{"duration": "0", "t": timestamp(c.server.now())}}}
}

func usyncPicture(c *conn, who asked) []Node {
	if who.account == nil {
		return nil
	}
	id := c.server.pictureID(who.account)
	if id == "" {
		return nil
	}
	return []Node{{Tag: "picture", Attrs: Attrs{"id": id}}}
}

// deviceHash sums up a device list: "2:" and the first six bytes of a SHA-256 over the sorted addresses, base64
// without padding (whatsmeow: send.go/participantListHashV2).
func deviceHash(list []types.JID) string {
	names := make([]string, len(list))
	for i, j := range list {
		names[i] = j.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}
