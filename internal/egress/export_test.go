package egress

import (
	"crypto/x509"
	"net"
)

// SetResolver makes a client look names up elsewhere.
func SetResolver(c *Client, r *net.Resolver) { c.dialer.Resolver = r }

// Trust makes a poster trust the certificates and no others.
func Trust(p *Poster, certificates ...*x509.Certificate) {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	p.transport.TLSClientConfig.RootCAs = pool
}
