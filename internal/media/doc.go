// Package media fetches the files that messages refer to: once per event, only
// when a reader wants the bytes, within the memory that the operator allows.
package media
