package wasim

import (
	"fmt"
	"sync"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// The sandbox root and its intermediate are published on purpose: they protect nothing, and every server of every
// process shares them. A client that trusts this root must never talk to anything but a simulated network.
var (
	rootKey = keys.NewKeyPairFromPrivateKey([32]byte{
		0x80, 0x61, 0x44, 0x55, 0xec, 0x76, 0xb1, 0x2e, 0x38, 0xae, 0x5b, 0x4e, 0x42, 0x6f, 0x1b, 0x96,
		0xb6, 0xae, 0x53, 0xa8, 0x98, 0x96, 0x69, 0x31, 0xcf, 0x5d, 0xea, 0xee, 0x7d, 0x2f, 0xff, 0x49,
	})
	intermediateKey = keys.NewKeyPairFromPrivateKey([32]byte{
		0x28, 0xb9, 0x79, 0x77, 0x28, 0x82, 0x27, 0x1f, 0x55, 0xf6, 0xc2, 0x43, 0x77, 0xbd, 0x11, 0x3c,
		0x13, 0x59, 0x53, 0x1e, 0xcd, 0xec, 0xad, 0x0f, 0x22, 0x11, 0xa4, 0x57, 0x1c, 0xc5, 0xc2, 0x68,
	})
)

// Serial numbers of the chain. whatsmeow (handshake.go/verifyServerCert) wants the intermediate to name issuer 0 and
// the leaf to name the intermediate.
const (
	rootSerial         = 0
	intermediateSerial = 1
	leafSerial         = 2
)

// Dates of both certificates around the moment they are made.
const (
	certificateBackdate = 24 * time.Hour
	certificateLifetime = 10 * 365 * 24 * time.Hour
)

var installOnce sync.Once

// Install makes every whatsmeow client of this process trust the sandbox root and nothing else. Call it before the
// first client connects; later calls do nothing. It cannot be undone: a process is live or simulated, never both.
func Install() {
	installOnce.Do(func() { whatsmeow.WACertPubKey = *rootKey.Pub })
}

// certificateChain vouches for a server's static key: the root signs the intermediate, which signs the leaf. Clients
// check both signatures and both validity dates.
func certificateChain(static *keys.KeyPair, now time.Time) ([]byte, error) {
	intermediate, err := certificate(intermediateSerial, rootSerial, intermediateKey, rootKey, now)
	if err != nil {
		return nil, err
	}
	leaf, err := certificate(leafSerial, intermediateSerial, static, intermediateKey, now)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&waCert.CertChain{Intermediate: intermediate, Leaf: leaf})
}

func certificate(serial, issuer uint32, subject, signer *keys.KeyPair, now time.Time) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial:       proto.Uint32(serial),
		IssuerSerial: proto.Uint32(issuer),
		Key:          subject.Pub[:],
		NotBefore:    proto.Uint64(uint64(now.Add(-certificateBackdate).Unix())),
		NotAfter:     proto.Uint64(uint64(now.Add(certificateLifetime).Unix())),
	})
	if err != nil {
		return nil, fmt.Errorf("encode certificate %d: %w", serial, err)
	}
	signature := sign(signer, details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: signature[:]}, nil
}

// sign makes an XEdDSA signature over the parts, one after the other.
func sign(key *keys.KeyPair, parts ...[]byte) [64]byte {
	return ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*key.Priv), join(parts...))
}

// signedBy checks an XEdDSA signature over the parts.
func signedBy(public [32]byte, signature []byte, parts ...[]byte) bool {
	if len(signature) != 64 {
		return false
	}
	return ecc.VerifySignature(ecc.NewDjbECPublicKey(public), join(parts...), [64]byte(signature))
}

// join concatenates into a new slice.
func join(parts ...[]byte) []byte {
	var n int
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
