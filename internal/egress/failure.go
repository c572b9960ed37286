package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"syscall"
	"time"
)

// failure is an error that has a text for users.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.cause }

// explain gives an error of a post its text for users.
func explain(err error) error { return &failure{reason(err), err} }

// unreadable is the error of a post whose body failed: nothing that a receiver
// can do about.
func unreadable(err error) error { return &failure{"the event could not be read", err} }

// The texts that are used more than once.
const (
	closedEarly = "connection closed without an answer"
	wasReset    = "connection reset"
	notHTTP     = "not an HTTP answer"
)

// reasons are tried in this order: what says most comes first.
var reasons = []func(error) string{ofAddress, ofContext, ofName, ofTLS, ofSystem, ofHTTP, ofTime}

// reason is why no answer came, in the words that users see:
//
//	timeout
//	stopped
//	address is not allowed
//	no such host
//	name lookup failed
//	connection refused
//	connection reset
//	connection closed without an answer
//	connection closed within the answer
//	host is unreachable
//	TLS: … (see ofTLS)
//	not an HTTP answer
//	answer headers too large
//	header cannot be sent
//	the event could not be read
//	connection failed
func reason(err error) string {
	for _, of := range reasons {
		if text := of(err); text != "" {
			return text
		}
	}
	return "connection failed"
}

func ofAddress(err error) string {
	if errors.Is(err, ErrRefused) {
		return ErrRefused.Error()
	}
	return ""
}

func ofContext(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return ""
}

func ofName(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsNotFound:
		return "no such host"
	case dns.IsTimeout:
		return "timeout"
	}
	return "name lookup failed"
}

// ofTLS tells what the operator of a receiver has to mend.
func ofTLS(err error) string {
	var (
		record  tls.RecordHeaderError
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		issuer  x509.UnknownAuthorityError
		other   *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "TLS: the server does not speak it"
	case errors.As(err, &invalid):
		return ofCertificate(invalid)
	case errors.As(err, &host):
		return "TLS: certificate is for another host"
	case errors.As(err, &issuer):
		return "TLS: certificate is from an unknown authority"
	case errors.As(err, &other):
		return "TLS: certificate is not valid"
	case strings.Contains(err.Error(), "tls: "): // alerts have no exported type
		return "TLS: handshake failed"
	}
	return ""
}

func ofCertificate(err x509.CertificateInvalidError) string {
	switch {
	case err.Reason != x509.Expired:
		return "TLS: certificate is not valid"
	case err.Cert != nil && time.Now().Before(err.Cert.NotBefore):
		return "TLS: certificate is not valid yet"
	}
	return "TLS: certificate has expired"
}

func ofSystem(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed): // the transport's reading side knew first
		return wasReset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "host is unreachable"
	case errors.Is(err, io.EOF):
		return closedEarly
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed within the answer"
	}
	return ""
}

// broken reports whether the connection ended before an answer had begun.
func broken(err error) bool {
	text := reason(err)
	return text == closedEarly || text == wasReset
}

// ofHTTP reads errors that package http has no types for.
func ofHTTP(err error) string {
	var syntax textproto.ProtocolError
	text := err.Error()
	switch {
	case strings.Contains(text, "server closed idle connection"):
		return closedEarly
	case strings.Contains(text, "response headers exceeded"):
		return "answer headers too large"
	case strings.Contains(text, "invalid header field"):
		return "header cannot be sent"
	case errors.As(err, &syntax):
		return notHTTP
	}
	for _, part := range []string{"malformed", "bad Content-Length", "transfer encoding", "1xx"} {
		if strings.Contains(text, part) {
			return notHTTP
		}
	}
	return ""
}

func ofTime(err error) string {
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return "timeout"
	}
	return ""
}
