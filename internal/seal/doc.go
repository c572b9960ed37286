// Package seal owns secrets at rest: AES-256-GCM with the identity of the key
// in every sealed value, so that keys can be rotated, and the place where the
// value belongs as associated data, so that a value copied to another row does
// not open there.
//
// It does not know what it seals.
package seal
