// Package chat answers what is asked about stored messages: what one says, and
// its file, wherever that lies by now.
//
// It knows neither WhatsApp's protobufs (Describer reads them) nor how files are
// fetched (media.Files does it).
package chat
