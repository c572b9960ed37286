// Package walog routes what the WhatsApp libraries log into slog: whatsmeow's
// own logger interface, the zerolog logger it looks for in contexts, and the
// console output of libsignal.
//
// It keeps message content out of the log: the libraries' dumps of stanzas are
// dropped at every level.
package walog
