// Package apptest boots the whole gateway for tests: the real program on a
// folder of its own, the simulated network beside it, HTTP and WebSocket
// clients in front of it. Nothing in it is faked.
package apptest
