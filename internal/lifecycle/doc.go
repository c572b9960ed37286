// Package lifecycle owns how parts of the process start and stop: the Service
// that each of them is, the Stack that starts them in order and tears them down
// in reverse, and the Loop for those that are one goroutine.
//
// It knows nothing about what the parts do.
package lifecycle
