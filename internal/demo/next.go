package demo

import (
	"fmt"
	"io"
)

// Next prints what a person may try on the running sandbox after the demo.
func Next(w io.Writer, url, token string) {
	_, _ = fmt.Fprintf(w, `
The sandbox goes on at %[1]s. Try, in another terminal:

  export CHASQUI_TOKEN=%[2]s
  chasqui listen %[3]s --url %[1]s

  curl -H "token: $CHASQUI_TOKEN" %[1]s/sandbox/phones/%[4]s/messages \
       -d '{"to":"%[5]s","text":"Still open?"}'
  curl -H "token: $CHASQUI_TOKEN" %[1]s/api/message/text/%[3]s \
       -d '{"number":"%[4]s","message":"Until six."}'

The API is described at %[1]s/docs. Ctrl-C ends it.
`, url, token, instanceName, ana, owner) // a closed terminal does not fail the demo
}
