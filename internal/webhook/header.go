package webhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// MaxHeaders is how many extra headers a webhook may have.
const MaxHeaders = 20

// refusedHeaders are those that users cannot set: the hop-by-hop ones of RFC
// 9110 section 7.6.1 and its predecessors, those that frame the request, and
// those that we send ourselves.
var refusedHeaders = map[string]string{
	"connection": "hop-by-hop", "keep-alive": "hop-by-hop", "proxy-connection": "hop-by-hop",
	"proxy-authenticate": "hop-by-hop", "proxy-authorization": "hop-by-hop", "te": "hop-by-hop",
	"trailer": "hop-by-hop", "transfer-encoding": "hop-by-hop", "upgrade": "hop-by-hop",
	"host": "comes from url", "authorization": "has a field of its own", "user-agent": "is set by the server",
}

// headers checks extra headers; problems come in the order of the names.
func (p *problems) headers(headers map[string]string) {
	p.add(len(headers) > MaxHeaders, "headers", fmt.Sprintf("at most %d", MaxHeaders))
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		field, lower := "headers."+name, strings.ToLower(name)
		if reason := whyRefused(lower); reason != "" {
			p.add(true, field, "not allowed: "+reason)
			continue
		}
		p.add(!httpguts.ValidHeaderFieldName(name), field, "must be the name of a header")
		p.add(seen[lower], field, "given twice")
		p.add(!httpguts.ValidHeaderFieldValue(headers[name]), field, "must have the value of a header")
		seen[lower] = true
	}
}

func whyRefused(lower string) string {
	switch {
	case strings.HasPrefix(lower, "content-"):
		return "describes the body"
	case strings.HasPrefix(lower, "webhook-"):
		return "is set by the server"
	}
	return refusedHeaders[lower]
}
