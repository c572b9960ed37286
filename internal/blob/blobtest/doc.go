// Package blobtest has the one suite that every shelf of package blob passes.
package blobtest
