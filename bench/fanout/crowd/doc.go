// Package crowd is the load client: thousands of WebSocket connections that one
// thread reads with epoll, with little CPU. It does not assume that events
// arrive: for every connection it checks that each comes once, in order and
// whole, and notes how long it took.
package crowd
