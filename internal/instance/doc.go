// Package instance owns the WhatsApp numbers that the gateway serves: their
// record, settings and proxy, the state machine of each one's connection,
// pairing, and the supervision of the clients that an Engine makes.
//
// It is the only producer of instance.state events. It knows neither SQL nor
// whatsmeow: Store, Engine and Publisher are its own small interfaces.
package instance
