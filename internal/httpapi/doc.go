// Package httpapi is the gateway's HTTP surface: routes, tokens, rate limits,
// envelopes, CORS and the OpenAPI document.
//
// A handler here translates a request into a call of a domain service and the
// result into JSON; it holds no rule of the domain, no SQL and no WhatsApp.
// Every operation is mounted through one function, register, which makes the
// checks in the order that the contract fixes: token, rate limit, instance,
// body. One table turns the kinds of package fault into status codes; the text
// of any other error goes to the log and never into an answer.
//
// It must not know package hub or any other adapter: what it needs of them are
// its own interfaces in ports.go.
package httpapi
