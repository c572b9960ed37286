// Package wasim is a simulated WhatsApp network: a server on loopback that an unmodified whatsmeow client, or another
// one, takes for WhatsApp, and people with phones on it who scan QR codes, write, read and call. Everything is end to
// end encrypted with real keys. Start gives a network to a test; New serves a program of its own.
//
//	server := wasim.Start(t)
//	person := server.Phone("5511999990001")
//	server.Attach(client)                                // before client.Connect
//	device, err := person.ScanQR(ctx, codeOfClient)      // from its events.QR
//	id, err := server.Phone("5511999990002").Send(ctx, person.Number(), wasim.Message{Text: "Hello"})
//
// It trusts a root key of its own, which Install puts in place of WhatsApp's for the whole process, and it never talks
// to anything but loopback. Comments name the source of each protocol fact: "whatsmeow: file/function" for what the
// library's code shows, "assumed" for what only other clients' behaviour suggests.
//
// # Structure
//
// The core:
//
//	server.go redirect.go trust.go        the server, clients' way to it, the root of trust
//	frames.go noise.go conn.go queue.go   bytes to stanzas: framing, handshake, one connection, its send queue
//	router.go node.go                     who handles which stanza; building and reading stanzas
//	account.go device.go outbox.go        numbers, companions, and what waits for each of them
//	pairing.go paircode.go login.go       from QR or pairing code to a logged-in companion
//	prekeys.go usync.go                   keys and users
//	messages.go receipts.go arrivals.go   routing
//	phone*.go chatlog.go signalstore.go   the simulated person's phone
//	faultpoints.go                        where faults take hold
//
// The features (features.go lists their state and handlers) build on it: groups, media, app state, presence, calls,
// history, profiles, faults, load.
//
// # How a feature hooks in
//
// featureHandlers fills the router: iq handlers by xmlns (answer once, with c.send(result(iq, …)) or
// c.send(failure(iq, code, text)), or refuse with c.unanswerable(iq)), stanza handlers by tag, receipt handlers by
// type, phone handlers by the tag of a stanza that reached a phone, peer handlers for what a companion asks of its
// phone, and hooks around linking. State lives in features (embedded in Server) and accountFeatures (in account);
// HTTP routes go through Server.Handle in newFeatures.
//
// Stanzas to clients: account.deliver, deliverAll and deliverCompanions keep a stanza until it is acknowledged (it
// needs an id: Server.notification makes one); account.showLive is for what nobody acknowledges, such as presence. A
// stanza that was handed over is shared and must not be changed. Phones send with Phone.sendContent, sendPeer and
// Server.routeMessage or routeReceipt under origin{account, 0}; Phone.do runs something on the phone's goroutine.
// Accounts are found with Server.accounts.find, by number or hidden identity, and Server.parseChat.
//
// # Goroutines and locks
//
// Each connection has a reader, which runs all handlers of that client, and a writer. A phone has one goroutine while
// it has something to do. Server.spawn starts goroutines that Close waits for.
//
// Locks are small, guard the fields below them, and are never held over input or output. Order, outermost first:
// Phone.crypto, appState.mu; groupTable.linking, Group.mu (parent before child); pairingTable.mu, pairing.mu;
// account.mu; outbox.mu, preKeyShelf.mu, signalStore.mu, chatLog.mu, inbox.mu; faults.mu, sendQueue.mu. Adding to a send
// queue never blocks, so a client that stops reading stops nobody.
package wasim
