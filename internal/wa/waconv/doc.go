// Package waconv turns what whatsmeow reports into events and records of ours,
// and outgoing messages into WhatsApp's protobuf. It does no I/O: what must be
// looked up comes from a Directory, so that golden files prove every rule of
// the event contract (docs/contract/events.md, sections 7.1 to 7.6).
package waconv
