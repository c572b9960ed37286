package fault

import "time"

// The messages that more than one module answers. Texts are fixed by the REST
// contract; a text used by one module alone stands in that module.
const (
	MsgInternal = "Internal server error"
	MsgBody     = "Invalid request body"
)

// InvalidToken is the one answer to every failed authentication.
func InvalidToken(details ...Detail) *Error { return New(Unauthorized, "Invalid token", details...) }

// InstanceNotFound says that the account has no instance of that name.
func InstanceNotFound() *Error { return New(NotFound, "Instance not found") }

// InvalidBody reports what is wrong with the request body, field by field.
func InvalidBody(details ...Detail) *Error { return New(Invalid, MsgBody, details...) }

// NotConnected is the answer of every route that needs WhatsApp.
func NotConnected() *Error { return New(Unavailable, "Instance is not connected to WhatsApp") }

// TooManyRequests is our own rate limit.
func TooManyRequests(retryAfter time.Duration) *Error {
	return &Error{Kind: RateLimited, Message: "Rate limit exceeded. Try again later.", RetryAfter: retryAfter}
}

// WhatsAppThrottled is WhatsApp's rate limit.
func WhatsAppThrottled() *Error {
	return &Error{Kind: RateLimited, Message: "WhatsApp rate limit reached. Try again later.", RetryAfter: time.Minute}
}
