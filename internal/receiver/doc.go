// Package receiver is a small webhook receiver for people who develop one, or
// who want to see what the gateway does when theirs goes wrong: it prints and
// verifies deliveries, and fails, stalls or answers as told. It keeps nothing
// but what it has to remember to recognize repeats and gaps.
package receiver
