// Package event is the vocabulary of what the gateway tells its users: the six
// event types, their payloads, the filter and the envelope.
//
// It does no I/O and knows nothing about who produces or reads an event. The
// JSON it writes is a public contract: docs/contract/events.md.
package event

//go:generate go test -run TestSchemasInDocs -update .
