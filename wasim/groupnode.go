package wasim

import (
	"strconv"

	"go.mau.fi/whatsmeow/types"
)

// address is how a member is named in the group.
func (g *Group) address(a *account) types.JID {
	if g.lid {
		return a.lid
	}
	return a.pn
}

// both names a person in the group's form under one attribute, and by number under another when the form is the hidden
// identity.
func (g *Group) both(a *account, key, numberKey string) Attrs {
	attrs := Attrs{key: g.address(a)}
	if g.lid {
		attrs[numberKey] = a.pn
	}
	return attrs
}

// participant describes a member (whatsmeow: group.go/parseParticipant).
func (g *Group) participant(a *account, rank role) Node {
	attrs := Attrs{"jid": a.pn, "lid": a.lid}
	if g.lid {
		attrs = Attrs{"jid": a.lid, "phone_number": a.pn}
	}
	if rank != member {
		attrs["type"] = string(rank)
	}
	return Node{Tag: "participant", Attrs: attrs}
}

func (g *Group) participants(people []*account) []Node {
	out := make([]Node, len(people))
	for i, a := range people {
		out[i] = g.participant(a, g.state.members[a])
	}
	return out
}

// node describes the whole group (whatsmeow: group.go/parseGroupNode). The caller holds g.mu.
func (g *Group) node() Node {
	st := &g.state
	mode := types.AddressingModePN
	if g.lid {
		mode = types.AddressingModeLID
	}
	attrs := withAttrs(g.both(g.creator, "creator", "creator_pn"), g.both(st.name.by, "s_o", "s_o_pn"))
	attrs = withAttrs(attrs, Attrs{
		"id": g.jid.User, "creation": timestamp(g.created), "subject": st.name.text, "s_t": timestamp(st.name.at),
		"addressing_mode": string(mode), "size": strconv.Itoa(len(st.members)),
		"a_v_id": strconv.FormatUint(st.version, 10), "p_v_id": strconv.FormatUint(st.version, 10),
	})
	content := g.participants(g.everyone())
	if st.topic.text != "" {
		content = append(content, g.topicNode())
	}
	return Node{Tag: "group", Attrs: attrs, Content: append(content, g.settings()...)}
}

func (g *Group) topicNode() Node {
	attrs := g.both(g.state.topic.by, "participant", "participant_pn")
	attrs["id"], attrs["t"] = g.state.topicID, timestamp(g.state.topic.at)
	return Node{Tag: "description", Attrs: attrs, Content: []Node{{Tag: "body", Content: []byte(g.state.topic.text)}}}
}

// settings are the elements of a group whose presence is their meaning.
func (g *Group) settings() []Node {
	st := &g.state
	out := []Node{{Tag: "member_add_mode", Content: []byte(st.addMode)}}
	if st.ephemeral > 0 {
		out = append(out, Node{Tag: "ephemeral", Attrs: Attrs{"expiration": seconds(st.ephemeral), "trigger": "0"}})
	}
	if st.approval {
		out = append(out, approvalNode(true))
	}
	if st.parent != nil {
		out = append(out, Node{Tag: "linked_parent", Attrs: Attrs{"jid": st.parent.jid}})
	}
	if st.community {
		out = append(out, Node{Tag: "parent", Attrs: Attrs{"default_membership_approval_mode": "request_required"}})
	}
	for tag, on := range map[string]bool{"announcement": st.announce, "locked": st.locked, "suspended": st.suspended} {
		if on {
			out = append(out, Node{Tag: tag})
		}
	}
	return out
}

func seconds(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func approvalNode(on bool) Node {
	state := "off"
	if on {
		state = "on"
	}
	return Node{Tag: "membership_approval_mode", Content: []Node{{Tag: "group_join", Attrs: Attrs{"state": state}}}}
}

// linkTarget names the other group of a link (whatsmeow: group.go/parseGroupLinkTargetNode).
func linkTarget(g *Group) Node {
	return Node{Tag: "group", Attrs: Attrs{"jid": g.jid, "subject": g.state.name.text, "s_t": timestamp(g.state.name.at)}}
}

// tell notifies people of a change that by made; nil for a change that the server made. The acting person's own clients
// are told too. The caller holds g.mu.
func (g *Group) tell(by *account, people []*account, change Node) {
	attrs := Attrs{}
	if by != nil {
		attrs = g.both(by, "participant", "participant_pn")
		attrs["notify"] = by.pushName()
	}
	if g.lid {
		attrs["addressing_mode"] = string(types.AddressingModeLID)
	}
	n := g.server.notification("w:gp2", g.jid, attrs, change)
	for _, a := range people {
		a.deliverAll(n, noDevice)
	}
}
