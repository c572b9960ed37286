// Package account owns who may use the gateway: accounts, their tokens and
// their quotas. A token is 256 random bits or one that the operator gave; only
// its SHA-256 is ever stored.
package account
