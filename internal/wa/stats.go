package wa

import "sync/atomic"

// Stats counts, since start and over all instances, what would otherwise go
// unnoticed.
type Stats struct {
	// Undecryptable counts reports of messages that could not be decrypted at
	// first, each retry anew.
	Undecryptable int64
	// OldCounters counts messages that the library dropped without an event
	// because their Signal counter was used already: repeats or losses.
	OldCounters int64
	// Placeholders counts messages told as unsupported because their content
	// never came.
	Placeholders int64
	// RecordFailures counts events that could not be recorded at the first try.
	RecordFailures int64
	// Lost counts events given up after all retries: calls, pictures, labels
	// and own sends, which WhatsApp does not repeat.
	Lost int64
	// Resets counts connections closed so that WhatsApp repeats what could not
	// be recorded.
	Resets int64
	// Panics counts panics caught in event handlers.
	Panics int64
}

// counters is the live form of Stats.
type counters struct {
	undecryptable, oldCounters, placeholders    atomic.Int64
	recordFailures, lost, resets, handlerPanics atomic.Int64
}

// Stats returns the counters as they are now.
func (e *Engine) Stats() Stats {
	s := &e.stats
	return Stats{
		Undecryptable:  s.undecryptable.Load(),
		OldCounters:    s.oldCounters.Load(),
		Placeholders:   s.placeholders.Load(),
		RecordFailures: s.recordFailures.Load(),
		Lost:           s.lost.Load(),
		Resets:         s.resets.Load(),
		Panics:         s.handlerPanics.Load(),
	}
}
