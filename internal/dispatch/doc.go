// Package dispatch is the one way from something that happened to those who
// want to know: it numbers and records the event in one transaction, with what
// it leaves for webhooks and for the instance's bucket, and then hands it to the
// instance's WebSocket stream, in order.
//
// It owns the WebSocket configuration of an instance, because that decides who
// wants what. It knows neither sockets nor SQL: Streams and Store are its own
// interfaces.
//
// Files never hold an event back, but for one case: on a WebSocket with base64 a
// message waits for its file, for a bounded time, and messages and receipts of
// its chat wait behind it. What webhooks wait for is no affair of this package:
// their deliveries wait in the store. In a bucket a file is kept beside all
// that: the event carries the link from the start, on every channel, and the
// object is there when the upload in the background has ended. A reader that is
// faster than the upload finds nothing yet and asks again.
package dispatch
