// Package demo plays a short conversation through a running sandbox, over
// nothing but its public interface: HTTP requests in, WebSocket frames out. It
// fails when a frame that must come does not.
package demo
