// Package fault is the table of errors that users of the gateway may see: a
// kind, a message fixed by the contract, and optional details that name the
// field at fault.
//
// Domain packages return these; httpapi alone turns a kind into a status code.
// An error that is not a fault is an internal one: its text is logged once and
// never shown.
package fault
