// Package seal owns secrets at rest: AES-256-GCM under a key that is derived for
// each value, with the identity of the key it comes from in every sealed value,
// so that keys can be rotated, and the place where the value belongs as
// associated data, so that a value copied to another row does not open there.
//
// It does not know what it seals.
package seal
