// Package blob has the shelves on which files are kept: Disk, a folder, and
// S3, one bucket. Both pass the suite of package blobtest.
//
// It knows nothing about messages: what lies under which name is the business of
// package media.
package blob
