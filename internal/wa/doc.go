// Package wa is the gateway's side of WhatsApp: it owns every whatsmeow client,
// one per instance, and is the only package that knows them.
//
// It implements instance.Engine (clients whose connection is supervised
// elsewhere), message.Transports (sending) and media.Source. What WhatsApp
// tells is converted by waconv and handed to the Publisher before WhatsApp gets
// its acknowledgement, as far as the library lets us hold it: messages,
// receipts and group changes that could not be recorded stay unacknowledged and
// come again after a reconnect. Calls and picture changes are retried in place.
//
// It must not decide when to connect or reconnect, keep records of its own, or
// dial anything directly when a proxy is set.
package wa
