// Package dispatchtest has a small real dispatch.Store in memory and media.Files
// that the test drives, for tests of whatever stands on package dispatch.
package dispatchtest
