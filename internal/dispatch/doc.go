// Package dispatch is the one way from something that happened to those who
// want to know: it numbers and records the event in one transaction, and then
// hands it to the instance's WebSocket stream, in order.
//
// It owns the WebSocket configuration of an instance, because that decides who
// wants what. It knows neither sockets nor SQL: Streams and Store are its own
// interfaces.
package dispatch
