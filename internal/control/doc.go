// Package control is the door for the operator's commands: account
// administration and the configuration in force, over a Unix socket in the data
// folder that only the server's user can open.
package control
