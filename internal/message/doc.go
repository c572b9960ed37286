// Package message owns sending: what may be sent, to whom, how fast, and what
// is answered. The wire belongs to its Transport, which package wa implements.
//
// A send runs through five steps: the request is checked, the recipient and
// what the message refers to are looked up, the call waits for its turn in the
// instance's schedule, the message is handed over, and the acknowledgement is
// waited for. Until it is handed over the caller can give up; after that it
// cannot be stopped but by the end of the process.
package message
