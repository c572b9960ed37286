// Package message owns sending: what may be sent, to whom, how fast, and what
// is answered. The wire belongs to its Transport, which package wa implements.
package message
