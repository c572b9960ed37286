// Package egress owns the only HTTP client that may call an address which a
// user gave, and the rules for such addresses.
//
// The rules are checked on the address that is really dialled, after name
// resolution and at each attempt, so that neither a name that changes its mind
// nor a redirect leads into the operator's network. Nothing here reads proxy
// settings from the environment.
package egress
