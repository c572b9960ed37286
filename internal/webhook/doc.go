// Package webhook delivers events to HTTP receivers, durably: at least once, in
// order per webhook, over hours of failures.
//
// It owns the configuration of webhooks and its rules (Service), signing, the
// schedule of retries (Policy), the Worker that makes the attempts, and the
// Filler that completes bodies which wait for a file. It knows neither SQL nor
// HTTP: Store, Queue, Bodies and Sender are its own interfaces.
//
// The words: an event that a webhook wants leaves a delivery, which holds its
// place in the webhook's line. An attempt is one POST of it. A delivery is
// pending until it is delivered or dead. A delivery that the following ones may
// overtake is parked: it left the line and has a time of its own. What the
// worker claims and leases is never a single delivery but a webhook's whole
// line, because attempts of one webhook are made one after the other.
package webhook
