// Package app is the process as a library: it builds the parts in the order of
// their layers, starts them, and takes them down in reverse. Two of it run in
// one process, each on its own data folder and port.
//
// It holds no logic of its own but what joins two parts that must not know each
// other.
package app
