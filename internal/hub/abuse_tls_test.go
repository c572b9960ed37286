package hub_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/chasqui/chasqui/internal/hub"
)

// openTLS is a place whose server gives a client so long for handshake and
// request.
func openTLS(t *testing.T, opts hub.Options, headers time.Duration) *place {
	t.Helper()
	p := &place{t: t, hub: newHub(opts)}
	p.hub.Stream(sales)
	p.srv = httptest.NewUnstartedServer(p)
	p.srv.Listener = hub.Listener(p.srv.Listener)
	p.srv.Config.ReadHeaderTimeout = headers
	p.srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	p.srv.StartTLS()
	p.closeWith(t)
	return p
}

// Clients that stall in the TLS handshake are let go by the server, which has
// never shown them to the hub.
func TestStalledHandshakes(t *testing.T) {
	const clients = 200
	p := openTLS(t, hub.Options{}, 500*time.Millisecond)
	p.besides(func() {
		goroutines, memory := footprint()
		hello := []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3} // a ClientHello begins
		stalled := make([]*peer, clients)
		for i := range stalled {
			stalled[i] = p.raw()
			stalled[i].write(hello[:i%(len(hello)+1)])
		}
		bounded(t, goroutines, memory, clients+spare, clients*64<<10)
		for _, c := range stalled {
			if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c.conn); isTimeout(err) {
				t.Fatal("a stalled handshake was not ended")
			}
		}
		if st := p.hub.Stats(); st.Clients != 1 || st.Opened != 1 {
			t.Errorf("%d clients, %d opened; want 1, 1", st.Clients, st.Opened)
		}
		bounded(t, goroutines, memory, spare, clients*16<<10)
	})
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error) //nolint:errorlint // io.Copy returns what Read returned
	return ok && ne.Timeout()
}

// A TLS client that begins another handshake is ended: TLS 1.3 has no
// renegotiation (RFC 8446 section 4.1.2).
func TestRenegotiation(t *testing.T) {
	p := openTLS(t, hub.Options{}, patience)
	p.besides(func() {
		c := p.dialTLS()
		c.upgrade(sales)
		p.clients(2)
		c.record(recordHandshake, append([]byte{1, 0, 0, 40}, make([]byte, 40)...)) // a ClientHello
		c.wantEnd()
		p.clients(1)
	})
}

// A TLS client that asks for new keys again and again, and does not read the
// answers, is ended before much is kept for it.
func TestKeyUpdateFlood(t *testing.T) {
	const quiet = "instance-without-events" // else its own would end the client
	p := openTLS(t, hub.Options{}, patience)
	p.hub.Stream(quiet)
	p.besides(func() {
		goroutines, memory := footprint()
		c := p.dialTLS()
		c.upgrade(quiet)
		for range 100_000 { // some 10,000 answers are kept
			if !c.updateKeys() || !c.record(recordData, framed(ws.NewPongFrame(nil))) {
				break
			}
		}
		eventually(t, "its end", func() bool { return p.hub.Count(quiet) == 0 })
		bounded(t, goroutines, memory, spare, 2<<20)
	})
}

// Types of TLS records; RFC 8446 section 5.1.
const (
	recordHandshake = 22
	recordData      = 23
)

// tlsPeer is a TLS 1.3 client that makes its own records, so that it can send
// what no library would. What the server sends is read by the library.
type tlsPeer struct {
	*peer
	raw    net.Conn
	suite  uint16
	secret []byte // client_application_traffic_secret
	aead   cipher.AEAD
	iv     []byte
	number uint64 // of the next record
}

func (p *place) dialTLS() *tlsPeer {
	p.t.Helper()
	raw, err := net.Dial("tcp", p.srv.Listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	var keys bytes.Buffer
	conn := tls.Client(raw, &tls.Config{
		RootCAs: pool(p.srv), ServerName: "example.com", MinVersion: tls.VersionTLS13, KeyLogWriter: &keys,
	})
	if err := conn.HandshakeContext(p.t.(*testing.T).Context()); err != nil {
		p.t.Fatal(err)
	}
	c := &tlsPeer{peer: &peer{t: p.t, conn: conn, r: conn}, raw: raw, suite: conn.ConnectionState().CipherSuite}
	p.t.Cleanup(func() { _ = raw.Close() })
	found := regexp.MustCompile(`CLIENT_TRAFFIC_SECRET_0 \w+ (\w+)`).FindStringSubmatch(keys.String())
	if found == nil {
		p.t.Fatal("no traffic secret in the key log")
	}
	if c.secret, err = hex.DecodeString(found[1]); err != nil {
		p.t.Fatal(err)
	}
	c.useSecret()
	return c
}

// expand is HKDF-Expand-Label without context; RFC 8446 section 7.1.
func (c *tlsPeer) expand(label string, n int) []byte {
	c.t.Helper()
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	key, err := hkdf.Expand(sha256.New, c.secret, string(info)+label+"\x00", n)
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

// useSecret derives key and nonce; RFC 8446 section 7.3.
func (c *tlsPeer) useSecret() {
	c.t.Helper()
	var err error
	switch c.suite {
	case tls.TLS_AES_128_GCM_SHA256:
		var block cipher.Block
		if block, err = aes.NewCipher(c.expand("key", 16)); err == nil {
			c.aead, err = cipher.NewGCM(block)
		}
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		c.aead, err = chacha20poly1305.New(c.expand("key", 32))
	default:
		c.t.Fatalf("cipher suite %x is not one of those with SHA-256", c.suite)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.iv, c.number = c.expand("iv", 12), 0
}

// record sends one record; RFC 8446 section 5.2. It reports false when the
// server has ended the connection.
func (c *tlsPeer) record(kind byte, content []byte) bool {
	inner := append(bytes.Clone(content), kind)
	header := binary.BigEndian.AppendUint16([]byte{recordData, 3, 3}, uint16(len(inner)+c.aead.Overhead()))
	nonce := bytes.Clone(c.iv)
	last := nonce[len(nonce)-8:]
	binary.BigEndian.PutUint64(last, binary.BigEndian.Uint64(last)^c.number)
	c.number++
	_, err := c.raw.Write(c.aead.Seal(header, nonce, inner, header))
	return err == nil
}

// updateKeys changes our keys and asks for the server's to be changed; RFC 8446
// section 4.6.3.
func (c *tlsPeer) updateKeys() bool {
	ok := c.record(recordHandshake, []byte{24, 0, 0, 1, 1})
	c.secret = c.expand("traffic upd", sha256.Size)
	c.useSecret()
	return ok
}

// upgrade makes it a WebSocket client of an instance.
func (c *tlsPeer) upgrade(instance string) {
	c.t.Helper()
	c.record(recordData, []byte(upgradeRequest(instance)))
	var answer strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(answer.String(), "\r\n\r\n"); {
		if _, err := io.ReadFull(c.conn, one); err != nil {
			c.t.Fatalf("upgrade: %v after %q", err, answer.String())
		}
		answer.Write(one)
	}
	if !strings.HasPrefix(answer.String(), "HTTP/1.1 101") {
		c.t.Fatalf("upgrade answered with %q", answer.String())
	}
}
