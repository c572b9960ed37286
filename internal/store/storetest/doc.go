// Package storetest owns the suite that every implementation of the store
// passes, whatever its dialect.
package storetest
