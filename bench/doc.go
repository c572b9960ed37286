// Package bench measures the gateway as its users meet it: the real binary, the
// simulated network in a process of its own, HTTP in and WebSocket frames out.
// make bench runs it; docs/benchmarks.md keeps the figures.
package bench
