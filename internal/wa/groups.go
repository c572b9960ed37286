package wa

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/types/events"
)

// approvalWait bounds the group query behind a change of membership approval.
const approvalWait = 5 * time.Second

// onGroupInfo completes a group change before it is recorded. The library
// reports membership approval alike whether it was turned on or off, so the
// value comes from a fresh query.
func (c *client) onGroupInfo(e *events.GroupInfo) bool {
	c.meetGroup(e.JID)
	if e.MembershipApprovalMode != nil {
		ctx, cancel := context.WithTimeout(c.life, approvalWait)
		defer cancel()
		info, err := c.wm.GetGroupInfo(ctx, e.JID)
		if err != nil {
			c.log.Warn("the membership approval of a group could not be read; its event may be wrong",
				"group", e.JID.String(), "error", err)
		} else {
			e.MembershipApprovalMode.IsJoinApprovalRequired = info.IsJoinApprovalRequired
		}
	}
	if !c.record(e) {
		return false
	}
	if e.Name != nil {
		g := directory{c}.Group(e.JID)
		g.Name = e.Name.Name
		c.keepGroup(e.JID, g)
	}
	return true
}
