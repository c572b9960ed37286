package wasim

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"

	"go.mau.fi/whatsmeow/types"
)

// profile is what a person shows and allows.
type profile struct {
	mu      sync.Mutex // guards the fields below
	picture picture
	privacy map[string]string
	blocked []types.JID // hidden identities
	version int         // of blocked
}

// defaultPrivacy are the settings of a new account (names and values: whatsmeow: types/user.go).
var defaultPrivacy = map[string]string{
	"groupadd": "all", "last": "all", "status": "all", "profile": "all", "readreceipts": "all", "online": "all",
	"calladd": "all", "messages": "all", "defense": "off", "stickers": "contacts",
}

func newProfile() *profile { return &profile{privacy: maps.Clone(defaultPrivacy)} }

func (p *profile) privacySetting(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.privacy[name]
}

// picture is a profile or group picture; without id there is none.
type picture struct {
	id   string
	path string // direct path of the file, which is not encrypted
}

// newPicture keeps an image and numbers it.
func (s *Server) newPicture(image []byte) picture {
	if len(image) == 0 {
		return picture{}
	}
	return picture{id: strconv.FormatUint(1_700_000_000+s.sequence.Add(1), 10), path: s.media.put(image)}
}

// pictureID is the id of a person's profile picture, "" for none.
func (s *Server) pictureID(a *account) string {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	return a.profile.picture.id
}

// pictureNotification announces a new picture of a person or group, or with an empty id that it was removed (whatsmeow:
// notification.go/handlePictureNotification).
func (s *Server) pictureNotification(of, author types.JID, id string) Node {
	change := Node{Tag: "set", Attrs: Attrs{"jid": of, "id": id, "author": author}}
	if id == "" {
		change = Node{Tag: "delete", Attrs: Attrs{"jid": of, "author": author}}
	}
	return s.notification("picture", of, nil, change)
}

// SetPicture gives the person a profile picture; no bytes remove it. The accounts that keep this one's device list, as
// contacts do, are told.
func (p *Phone) SetPicture(image []byte) { p.account.setPicture(image) }

func (a *account) setPicture(image []byte) string {
	pic := a.server.newPicture(image)
	a.profile.mu.Lock()
	a.profile.picture = pic
	a.profile.mu.Unlock()
	n := a.server.pictureNotification(a.pn, a.pn, pic.id)
	for _, w := range a.watching() {
		w.deliverAll(n, noDevice)
	}
	return pic.id
}

// SetAbout changes the text that the person shows about themselves.
func (p *Phone) SetAbout(text string) { p.account.setAbout(text) }

// setAbout changes the text and tells those who keep the device list (whatsmeow:
// notification.go/handleStatusNotification).
func (a *account) setAbout(text string) {
	a.mu.Lock()
	a.about = text
	a.mu.Unlock()
	n := a.server.notification("status", a.pn, nil, Node{Tag: "set", Content: []byte(text)})
	for _, w := range a.watching() {
		w.deliverAll(n, noDevice)
	}
}

// registerProfile registers what clients ask about people and their settings.
func registerProfile(r *router) {
	r.iq["w:profile:picture"] = handlePicture
	r.iq["privacy"] = handlePrivacy
	r.iq["status"] = handleStatus
	r.iq["blocklist"] = handleBlocklist
	r.iq["w:biz"] = handleBusinessProfile
	r.iq["w:mex"] = handleMex
	r.iq["abt"] = handleProps
	r.iq["w"] = handleProps
	for _, xmlns := range []string{"urn:xmpp:whatsapp:dirty", "urn:xmpp:whatsapp:push", "disappearing_mode", "tos"} {
		r.iq[xmlns] = func(c *conn, n *Node) { c.send(result(n)) }
	}
}

// handlePicture answers w:profile:picture: a get with the address and id of a picture, a set of the own picture or a
// group's (whatsmeow: user.go/GetProfilePictureInfo, group.go/SetGroupPhoto).
func handlePicture(c *conn, n *Node) {
	target := jidAttr(n, "target")
	if stringAttr(n, "type") == "set" {
		c.changePicture(n, target)
		return
	}
	pic, code := c.findPicture(target)
	switch {
	case code == 401:
		c.send(failure(n, 401, "not-authorized"))
		return
	case pic.id == "":
		c.send(failure(n, 404, "item-not-found"))
		return
	}
	ask := n.GetChildByTag("picture")
	kind := stringAttr(&ask, "type")
	if kind == "" {
		kind = "preview"
	}
	attrs := Attrs{"id": pic.id, "type": kind, "url": mediaURL(pic.path), "direct_path": pic.path}
	if stringAttr(&ask, "id") == pic.id {
		attrs = Attrs{"status": "304"}
	}
	c.send(result(n, Node{Tag: "picture", Attrs: attrs}))
}

func (c *conn) findPicture(target types.JID) (picture, int) {
	if target.Server == types.GroupServer {
		return c.groupPicture(target)
	}
	a := c.device.account
	if !target.IsEmpty() {
		a = c.server.accounts.find(target)
	}
	if a == nil {
		return picture{}, 404
	}
	if a != c.device.account && a.profile.privacySetting("profile") == "none" {
		return picture{}, 401
	}
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	return a.profile.picture, 0
}

func (c *conn) changePicture(n *Node, target types.JID) {
	image := childBytes(n, "picture")
	if target.Server == types.GroupServer {
		g := c.server.groups.find(target)
		if g == nil {
			c.send(failure(n, 404, "item-not-found"))
			return
		}
		id, err := g.setPicture(c.device.account, image)
		if err != nil {
			c.answerChange(n, err)
			return
		}
		c.send(pictureResult(n, id))
		return
	}
	c.send(pictureResult(n, c.device.account.setPicture(image)))
}

func pictureResult(n *Node, id string) Node {
	if id == "" {
		return result(n)
	}
	return result(n, Node{Tag: "picture", Attrs: Attrs{"id": id}})
}

// handlePrivacy answers the settings, changes one, and passes on privacy tokens (whatsmeow: privacysettings.go,
// tctoken.go/issuePrivacyToken).
func handlePrivacy(c *conn, n *Node) {
	ask, p := firstChild(n), c.device.account.profile
	switch {
	case ask.Tag == "tokens":
		for _, token := range ask.GetChildrenByTag("token") {
			c.passToken(&token)
		}
		c.send(result(n))
	case ask.Tag != "privacy":
		c.unanswerable(n)
	case stringAttr(n, "type") == "set":
		p.mu.Lock()
		for _, category := range ask.GetChildrenByTag("category") {
			p.privacy[stringAttr(&category, "name")] = stringAttr(&category, "value")
		}
		p.mu.Unlock()
		c.device.account.deliverCompanions(c.server.notification("account_sync", c.device.account.pn, nil, ask), c.device.id)
		c.send(result(n, ask))
	default:
		c.send(result(n, p.privacyNode()))
	}
}

func (p *profile) privacyNode() Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Node
	for _, name := range slices.Sorted(maps.Keys(p.privacy)) {
		out = append(out, Node{Tag: "category", Attrs: Attrs{"name": name, "value": p.privacy[name]}})
	}
	return Node{Tag: "privacy", Content: out}
}

// passToken gives a contact the right to see this account's presence (whatsmeow:
// notification.go/handlePrivacyTokenNotification). The token's bytes are the server's business.
func (c *conn) passToken(ask *Node) {
	to := c.server.accounts.find(jidAttr(ask, "jid"))
	if to == nil {
		return
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails
	token := Node{Tag: "token", Attrs: Attrs{"type": "trusted_contact", "t": stringAttr(ask, "t")}, Content: secret[:]}
	from := c.device.account
	n := c.server.notification("privacy_token", from.pn, Attrs{"sender_lid": from.lid}, Node{Tag: "tokens", Content: []Node{token}})
	to.deliverCompanions(n, noDevice)
}

// handleStatus answers the status privacy with 404, which means the default, since an empty list would index an empty
// slice in the client (whatsmeow: broadcast.go/GetStatusPrivacy), and changes the about text.
func handleStatus(c *conn, n *Node) {
	ask := firstChild(n)
	if stringAttr(n, "type") == "set" && ask.Tag == "status" {
		c.device.account.setAbout(string(bytesOf(ask)))
		c.send(result(n))
		return
	}
	c.send(failure(n, 404, "item-not-found"))
}

// textStatusMutation is the GraphQL mutation that changes the about text (whatsmeow: user.go/mutationUpdateTextStatus).
const textStatusMutation = "9152604461510864"

// handleMex answers the only GraphQL query that is not about newsletters, which are not simulated.
func handleMex(c *conn, n *Node) {
	ask := n.GetChildByTag("query")
	var query struct {
		Variables struct {
			Input struct {
				Text *string `json:"text"`
			} `json:"input"`
		} `json:"variables"`
	}
	if stringAttr(&ask, "query_id") != textStatusMutation || json.Unmarshal(bytesOf(ask), &query) != nil {
		c.unanswerable(n)
		return
	}
	if text := query.Variables.Input.Text; text != nil {
		c.device.account.setAbout(*text)
	}
	c.send(result(n, Node{Tag: "result", Content: []byte(`{"data":{}}`)}))
}

// handleBlocklist answers the list, after a change if it is one (whatsmeow: user.go/UpdateBlocklist).
func handleBlocklist(c *conn, n *Node) {
	p := c.device.account.profile
	p.mu.Lock()
	if stringAttr(n, "type") == "set" {
		p.block(n.GetChildrenByTag("item"))
	}
	list := make([]Node, len(p.blocked))
	for i, jid := range p.blocked {
		list[i] = Node{Tag: "item", Attrs: Attrs{"jid": jid}}
	}
	hash := strconv.Itoa(p.version)
	p.mu.Unlock()
	c.send(result(n, Node{Tag: "list", Attrs: Attrs{"dhash": hash}, Content: list}))
}

// block applies changes to the list. The caller holds p.mu.
func (p *profile) block(items []Node) {
	for _, item := range items {
		jid := jidAttr(&item, "jid")
		p.blocked = slices.DeleteFunc(p.blocked, func(j types.JID) bool { return j == jid })
		if stringAttr(&item, "action") == "block" && !jid.IsEmpty() {
			p.blocked = append(p.blocked, jid)
		}
		p.version++
	}
}

// blocks reports whether the account does not want to hear from another one. The server then accepts what that one
// sends and passes nothing on (assumed).
func (a *account) blocks(other *account) bool {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	return slices.Contains(a.profile.blocked, other.lid)
}

// Blocked lists who the account has blocked, as addresses of hidden identities.
func (p *Phone) Blocked() []string {
	pr := p.account.profile
	pr.mu.Lock()
	defer pr.mu.Unlock()
	var out []string
	for _, j := range pr.blocked {
		out = append(out, j.String())
	}
	return out
}

// handleBusinessProfile answers that a person has nothing but an address (whatsmeow: user.go/parseBusinessProfile).
func handleBusinessProfile(c *conn, n *Node) {
	ask := n.GetChildByTag("business_profile", "profile")
	jid := jidAttr(&ask, "jid")
	if c.server.accounts.find(jid) == nil {
		c.send(failure(n, 404, "item-not-found"))
		return
	}
	profile := Node{Tag: "profile", Attrs: Attrs{"jid": jid}}
	c.send(result(n, Node{Tag: "business_profile", Attrs: Attrs{"v": "244"}, Content: []Node{profile}}))
}

// handleProps answers that the server has no experiments running (asked by an unrelated client; whatsmeow does not).
func handleProps(c *conn, n *Node) {
	if firstChild(n).Tag != "props" {
		c.unanswerable(n)
		return
	}
	c.send(result(n, Node{Tag: "props", Attrs: Attrs{"hash": "0", "refresh": "86400", "protocol": "1"}}))
}
