// Package peer holds what chasqui is compared with: a bare write loop, and
// servers made with the libraries of the field, each used as its own
// documentation shows for telling every client the same.
package peer
