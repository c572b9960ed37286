package hub

import "github.com/gobwas/ws"

// Close codes that the gateway sends, from docs/events.md section 4.
const (
	CloseNormal   = 1000 // answer to the client's own close
	CloseShutdown = 1001 // the server is shutting down
	CloseProtocol = 1002 // the client broke RFC 6455
	CloseNotUTF8  = 1007 // text that is not UTF-8
	CloseTooBig   = 1009 // a message over MaxMessage
	CloseFailed   = 1011 // the server failed
	CloseToken    = 4401 // the token was rotated or revoked
	CloseByAPI    = 4403 // closed through the API
	CloseDeleted  = 4404 // the instance was deleted
	CloseSlow     = 4408 // more than Window events behind
)

// reasonOf is the text that goes with a code we choose.
func reasonOf(code int) string {
	switch code {
	case CloseShutdown:
		return "server is shutting down"
	case CloseProtocol:
		return "protocol error"
	case CloseNotUTF8:
		return "text is not UTF-8"
	case CloseTooBig:
		return "message too big"
	case CloseFailed:
		return "server failed"
	case CloseToken:
		return "token is no longer valid"
	case CloseByAPI:
		return "closed through the API"
	case CloseDeleted:
		return "instance was deleted"
	case CloseSlow:
		return "too slow"
	}
	return ""
}

// closeFrame returns a whole close frame, header included.
func closeFrame(code int) []byte {
	body := ws.NewCloseFrameBody(ws.StatusCode(code), reasonOf(code)) // codes are 16 bit
	return ws.MustCompileFrame(ws.NewCloseFrame(body))
}
