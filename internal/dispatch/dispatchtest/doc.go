// Package dispatchtest has a small real dispatch.Store in memory and a
// Downloader that the test drives, for tests of whatever stands on package
// dispatch.
package dispatchtest
