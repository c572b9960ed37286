// Package listen is a WebSocket client for people: it prints an instance's
// events, reconnects with backoff, and says what it missed.
package listen
