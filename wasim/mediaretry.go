package wasim

import (
	"crypto/rand"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

// mediaRetryKey is the key for asking the phone to upload a file again (whatsmeow: mediaretry.go/getMediaRetryKey).
func mediaRetryKey(mediaKey []byte) []byte {
	return hkdfutil.SHA256(mediaKey, nil, []byte("WhatsApp Media Retry Notification"), 32)
}

// handleMediaRetry takes a client's server-error receipt to its own phone, which uploads the file again and says where,
// encrypted with a key of the file's.
func handleMediaRetry(c *conn, n *Node) {
	p, d := c.device.account.phone, c.device
	p.do(func() {
		answer, err := p.retryMedia(n)
		if err != nil {
			p.server().log.Debug("media not uploaded again", "device", d.jid(), "error", err)
			// Code 2: not on the phone any more (whatsmeow: mediaretry.go/DecryptMediaRetryNotification).
			answer = []Node{{Tag: "error", Attrs: Attrs{"code": "2"}}}
		}
		answer = append(answer, n.GetChildByTag("rmr"))
		reply := p.server().notification("mediaretry", p.account.pn, Attrs{"id": stringAttr(n, "id")}, answer...)
		p.account.deliver(d.id, reply)
	})
}

// retryMedia checks the request and uploads the file of a message again.
func (p *Phone) retryMedia(receipt *Node) ([]Node, error) {
	id := stringAttr(receipt, "id")
	m := p.history.find(id)
	if m == nil {
		return nil, fmt.Errorf("message %s: %w", id, ErrNotFound)
	}
	file, _ := attachmentOf(m.message)
	if file == nil {
		return nil, fmt.Errorf("message %s has no file", id)
	}
	key := mediaRetryKey(file.GetMediaKey())
	plain, err := gcmutil.Decrypt(key, childBytes(receipt, "encrypt", "enc_iv"), childBytes(receipt, "encrypt", "enc_p"), []byte(id))
	if err != nil {
		return nil, fmt.Errorf("media retry request: %w", err)
	}
	var ask waMmsRetry.ServerErrorReceipt
	if err = proto.Unmarshal(plain, &ask); err != nil || ask.GetStanzaID() != id {
		return nil, errors.New("media retry request is not about its message")
	}
	data, ok := p.server().media.again(file.GetDirectPath())
	if !ok {
		return nil, fmt.Errorf("file of message %s: %w", id, ErrNotFound)
	}
	return sealRetryAnswer(key, id, p.server().media.put(data))
}

func sealRetryAnswer(key []byte, id, directPath string) ([]Node, error) {
	plain, err := proto.Marshal(&waMmsRetry.MediaRetryNotification{
		StanzaID: &id, DirectPath: &directPath, Result: waMmsRetry.MediaRetryNotification_SUCCESS.Enum(),
	})
	if err != nil {
		return nil, err
	}
	iv := make([]byte, 12)
	_, _ = rand.Read(iv) // never fails
	sealed, err := gcmutil.Encrypt(key, iv, plain, []byte(id))
	if err != nil {
		return nil, err
	}
	return []Node{{Tag: "encrypt", Content: []Node{{Tag: "enc_p", Content: sealed}, {Tag: "enc_iv", Content: iv}}}}, nil
}
