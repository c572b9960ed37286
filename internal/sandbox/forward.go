package sandbox

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/chasqui/chasqui/internal/fault"
)

// Forward returns the same routes, played in the network of another process at
// networkURL (http://127.0.0.1:PORT). Instances are resolved here. With an
// address that is not loopback every request is refused with 503.
func Forward(networkURL string, opts Options) http.Handler {
	log := opts.logger()
	target, err := url.Parse(networkURL)
	if err != nil || target.Scheme != "http" || !loopback(target.Hostname()) {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			writeFault(w, log, fault.New(fault.Unavailable, "The simulated network's address is not loopback"))
		})
	}
	return resolveInstances(opts.Resolver, log, forwarder(target, log))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// forwarder passes a request on without what names its caller: the other side
// wants no token, and must not see one.
func forwarder(target *url.URL, log *slog.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			for _, name := range []string{"Token", "Authorization", "Cookie"} {
				p.Out.Header.Del(name)
			}
		},
		Transport: &http.Transport{}, // no proxy of the environment: the target is this machine
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			writeFault(w, log, fault.Wrap(fault.Unavailable, "The simulated network does not answer", err))
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
