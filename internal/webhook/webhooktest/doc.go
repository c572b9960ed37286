// Package webhooktest has what tests of package webhook and of its stores
// share: a small real Queue and Store in memory, and the property that every
// Queue must keep under a worker that crashes.
package webhooktest
