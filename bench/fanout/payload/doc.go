// Package payload is what all contenders send: a chasqui envelope around a text
// message, padded to the size that is asked for, whose id carries a marker with
// the event's number and the moment it was made. A client finds the marker in
// whatever frame a contender puts around the event.
package payload
