// Package hub holds the WebSocket connections of the gateway and hands events
// to them.
//
// Each instance has one Stream: a log of ready frames, shared by all clients,
// and one cursor per client. There is no queue, channel, writer goroutine or
// timer per client. Publishing with nobody connected is one atomic load;
// otherwise the event is serialised once, appended to the log, and the stream's
// flusher is woken. The publisher never writes to a socket and never waits.
//
// The flusher makes one write per client that does not block. A client whose
// socket is full is left behind with its cursor and goes on when the socket
// takes bytes again. A client with more than Window events to go is cut with
// CloseSlow, alone.
//
// Who waits for a socket is the transport's matter. On Linux one poller waits
// for all plain TCP connections: it reads for their clients and goes on for
// those that lag, so that an idle client has neither a goroutine nor a buffer.
// Everywhere else, and under TLS, a client has a goroutine that reads, and a
// second one while it lags. Why, and who owns a file descriptor: docs/decisions/
// 0004-epoll.md.
//
// Who writes to a socket is decided by client.claim: the claimant owns the
// socket until nothing waits for the client any more, so no lock is held over a
// write. Lock order: Hub.relieveMu, Hub.watchMu, Hub.mu, Stream.mu. client.mu,
// wheel.mu and poller.mu are leaves: no other lock is taken while one is held.
//
// The package owns frames, heartbeat, limits and close codes of
// docs/events.md section 4. It does not check tokens, origins or
// configurations: that is done before Serve.
package hub
