package hub

// The kinds of token that a socket may have been opened with, as in
// Owner.TokenType.
const (
	tokenAccount  = "account"
	tokenInstance = "instance"
)

// RevokeAccount closes with CloseToken what was opened with an account's own
// token; sockets of its instances' tokens stay.
func (h *Hub) RevokeAccount(accountID string) int {
	return h.closeIf(CloseToken, func(c *client) bool {
		t := c.by.token.Value()
		return t.account == accountID && t.kind == tokenAccount
	})
}

// RevokeInstance closes with CloseToken what was opened with an instance's own
// token; sockets of its account's token stay.
func (h *Hub) RevokeInstance(instanceID string) int {
	s := h.lookup(instanceID)
	if s == nil {
		return 0
	}
	return s.closeIf(CloseToken, func(c *client) bool { return c.by.token.Value().kind == tokenInstance })
}
