// Package lifecycle owns how parts of the process start and stop: the Service
// that each of them is, and the Stack that starts them in order and tears them
// down in reverse.
//
// It knows nothing about what the parts do, and starts no goroutine.
package lifecycle
