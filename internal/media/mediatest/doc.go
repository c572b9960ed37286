// Package mediatest has a small real media.Store and media.Bucket in memory and
// a media.Source that the test drives, for tests of whatever stands on package
// media.
package mediatest
