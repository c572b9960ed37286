package hub

// Descriptor is a file descriptor as the poller uses it.
type Descriptor struct{ s *pollSocket }

// NewDescriptor takes over fd.
func NewDescriptor(fd int) Descriptor { return Descriptor{&pollSocket{fd: int32(fd)}} }

// Enter begins a system call, if that is still possible.
func (d Descriptor) Enter() bool { return d.s.enter() }

// Leave ends one.
func (d Descriptor) Leave() { d.s.leave() }

// Free lets go of the descriptor.
func (d Descriptor) Free() { d.s.free() }

// Write is a write by a flusher.
func (d Descriptor) Write(p []byte) (int, error) { return d.s.try(nil, p) }
