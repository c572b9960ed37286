package account

import "github.com/chasqui/chasqui/internal/fault"

// NotFound says that there is no such account.
func NotFound() *fault.Error { return fault.New(fault.NotFound, "Account not found") }

// AlreadyExists says that the name is taken.
func AlreadyExists() *fault.Error { return fault.New(fault.Conflict, "Account already exists") }

// TokenInUse says that the token belongs to another account or to an instance.
func TokenInUse() *fault.Error { return fault.New(fault.Conflict, "Token already in use") }

// HasLinkedInstances refuses to delete an account whose phones would go on
// listing their devices.
func HasLinkedInstances() *fault.Error {
	return fault.New(fault.Conflict, "Account has linked instances")
}
