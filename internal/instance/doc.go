// Package instance owns the WhatsApp numbers that the gateway serves: their
// record, settings and proxy, the state machine of each one's connection,
// pairing, and the supervision of the clients that an Engine makes.
//
// It is the only producer of instance.state events. It knows neither SQL nor
// whatsmeow: Store, Engine and Publisher are its own small interfaces.
//
// Each instance has a supervisor, whose goroutine runs while there is a client
// or a command, and does all work on that instance one after the other: what
// the client reports, what the API asks for, and what a timer brings. So no
// lock is held over I/O, and connect, logout and delete cannot meet half-way.
// The locks only guard what is read from outside; where both are held, a
// supervisor's comes before the Service's.
package instance
