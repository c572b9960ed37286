// Package telemetry is what the operator sees: the log handler and the
// Prometheus metrics. It reads counters that others keep; the paths it counts
// do no work for it.
package telemetry
