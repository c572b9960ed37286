// Package suite is the benchmark itself: it starts one contender at a time on
// one core and the crowd of clients on another, puts loads on them in rounds
// that alternate between the contenders, and keeps what was measured.
package suite
