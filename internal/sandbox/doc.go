// Package sandbox is the sandbox's own HTTP routes: they play the people on the
// other side of WhatsApp, in a simulated network of this process (New) or of
// another one (Forward).
//
// It translates JSON to the Go API of package wasim and back, and knows nothing
// of instances: where a body names one, a Resolver says what it stands for.
// Whoever mounts the handler has checked the token.
package sandbox
