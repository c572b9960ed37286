package e2e_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chasqui/chasqui/internal/apptest"
	"github.com/chasqui/chasqui/internal/blob/s3test"
	"github.com/chasqui/chasqui/wasim"
)

// This file proves that media reach their readers by link and through the chat
// routes, with a real S3 server and a network whose files can be held back.

// bucketOf is the request that sets a bucket of that server.
func bucketOf(t *testing.T, server *s3test.Server, name string) object {
	t.Helper()
	c := server.MakeBucket(t, name)
	return object{
		"enabled": true, "bucket": c.Bucket, "accessKey": c.AccessKey, "secretKey": c.SecretKey,
		"endpoint": c.Endpoint, "pathPrefix": "wa/",
	}
}

// linkedWithBucket is linkedBehind with a bucket and without base64.
func linkedWithBucket(t *testing.T) (*apptest.Gateway, *apptest.Socket, *apptest.Front) {
	t.Helper()
	server := s3test.Start(t)
	g, front := apptest.StartBehind(t)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	g.Must("POST", "/api/instance/s3/sales", bucketOf(t, server, "media"))
	return g, s, front
}

// fetch gets a URL as anybody could.
func fetch(t *testing.T, link string) (status int, contentType, body string) {
	t.Helper()
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(b)
}

// served waits until the link serves the picture.
func served(t *testing.T, link string) {
	t.Helper()
	var status int
	var contentType, body string
	apptest.Eventually(t, func() bool {
		status, contentType, body = fetch(t, link)
		return status == http.StatusOK
	}, func() string { return http.StatusText(status) + " at the link: " + body })
	if body != "picture" || contentType != "image/png" {
		t.Errorf("the link serves %q as %s", body, contentType)
	}
}

// TestS3URLServesTheFile: events.md 7.1 and rest.md section 2, S3. The event is
// out while its file is still held back; the link is good once it is there. The
// key is <pathPrefix><instance>/<yyyy>/<mm>/<messageId>.<ext>, good for 7 days.
func TestS3URLServesTheFile(t *testing.T) {
	g, s, front := linkedWithBucket(t)
	front.Hold()
	id := send(t, g, ana, aPicture)
	link := s.Expect("message.exchange", is{"message.id": id, "message.media.s3Url": "*"}).Get("message.media.s3Url")
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if form := regexp.MustCompile(`^/media/wa/sales/\d{4}/\d{2}/` + id + `\.png$`); !form.MatchString(u.Path) {
		t.Errorf("object %s", u.Path)
	}
	if valid := u.Query().Get("X-Amz-Expires"); valid != "604800" {
		t.Errorf("valid for %s s", valid)
	}
	if status, _, body := fetch(t, link); status != http.StatusNotFound {
		t.Errorf("while the file is held back: %d %s", status, body)
	}
	front.Release()
	served(t, link)
}

// TestS3FileIsKeptAfterARestart: a file that was wanted when the gateway stopped
// is in the bucket after it is back.
func TestS3FileIsKeptAfterARestart(t *testing.T) {
	g, s, front := linkedWithBucket(t)
	front.Hold()
	id := send(t, g, ana, aPicture)
	link := s.Expect("message.exchange", is{"message.id": id, "message.media.s3Url": "*"}).Get("message.media.s3Url")
	g.Shutdown()
	front.Release()
	g.Boot()
	served(t, link)
}

// TestS3OffMeansNoLink: s3Url only with S3 configured.
func TestS3OffMeansNoLink(t *testing.T) {
	g, s, _ := linkedWithBucket(t)
	g.Must("POST", "/api/instance/s3/sales", object{"enabled": false})
	id := send(t, g, ana, aPicture)
	if f := s.Expect("message.exchange", is{"message.id": id}); f.Get("message.media.s3Url") != "" {
		t.Errorf("with the bucket off: %s", f.Raw)
	}
}

// TestS3AtCreation: rest.md section 2; a bad block is 400 and nothing is created.
func TestS3AtCreation(t *testing.T) {
	server := s3test.Start(t)
	g := apptest.Start(t)
	block := object{}
	for field, value := range bucketOf(t, server, "media") {
		block["s3"+strings.ToUpper(field[:1])+field[1:]] = value
	}
	block["name"], block["s3Bucket"] = "sales", "nowhere"
	a := g.Do("POST", "/api/instance/new", apptest.Token, block)
	if a.Status != 400 || !strings.Contains(string(a.Raw), `{"field":"s3Bucket","reason":"does not exist"}`) {
		t.Errorf("a bucket that does not exist: %d %s", a.Status, a.Raw)
	}
	if a := g.Do("GET", "/api/instance/list?instanceName=sales", apptest.Token, nil); a.Status != 404 {
		t.Errorf("after a bad block: %d %s", a.Status, a.Raw)
	}
	block["s3Bucket"] = "media"
	g.Create("sales", block)
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	id := send(t, g, ana, aPicture)
	served(t, s.Expect("message.exchange", is{"message.id": id, "message.media.s3Url": "*"}).Get("message.media.s3Url"))
	if raw := string(g.Do("GET", "/api/instance/list", apptest.Token, nil).Raw); strings.Contains(raw, s3test.SecretKey) {
		t.Error("list shows the secret key")
	}
}

// wantBase64 asks for the file of a message and compares it.
func wantBase64(t *testing.T, g *apptest.Gateway, id string) {
	t.Helper()
	got := g.Must("GET", "/api/chat/base64/sales?messageId="+url.QueryEscape(id), nil)
	for field, want := range (object{
		"message": "Base64 retrieved successfully", "message_id": id, "mime_type": "image/png", "media_type": "image",
		"base64": base64.StdEncoding.EncodeToString([]byte("picture")),
	}) {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
}

// TestBase64OfReceivedAndSentMedia: rest.md section 4. A file that is not here
// is downloaded, once; the second time it is here.
func TestBase64OfReceivedAndSentMedia(t *testing.T) {
	g, front := apptest.StartBehind(t)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	own := g.Link("sales", olga)
	received := send(t, g, ana, aPicture)
	s.Expect("message.exchange", is{"message.id": received, "message.direction": "incoming"})
	g.Network.Phone(bruno)
	sent, err := own.Send(background(t), bruno, aPicture)
	if err != nil {
		t.Fatal(err)
	}
	s.Expect("message.exchange", is{"message.id": sent, "message.direction": "outgoing"})
	for i, id := range []string{received, sent} {
		wantBase64(t, g, id)
		wantBase64(t, g, id)
		if n := front.Downloads(); n != i+1 {
			t.Errorf("%d downloads after %d files", n, i+1)
		}
		m := g.Must("GET", "/api/chat/getMessage/sales?messageId="+id, nil)["data"].(object)
		if file := m["media"].(object); m["type"] != "image" || m["content"] != "look" || file["mimeType"] != "image/png" || file["size"] != 7.0 {
			t.Errorf("getMessage: %v", m)
		}
	}
}

// TestBase64ComesFromTheBucket, when that has the file: WhatsApp is not asked
// again, and need not be reachable.
func TestBase64ComesFromTheBucket(t *testing.T) {
	g, s, front := linkedWithBucket(t)
	id := send(t, g, ana, aPicture)
	served(t, s.Expect("message.exchange", is{"message.id": id, "message.media.s3Url": "*"}).Get("message.media.s3Url"))
	front.Hold()
	defer front.Release()
	wantBase64(t, g, id)
	if n := front.Downloads(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
}

// TestBase64AsksThePhoneAgain for what WhatsApp has no more; what the phone has
// no more either is 404.
func TestBase64AsksThePhoneAgain(t *testing.T) {
	g, s := linked(t)
	for name, final := range map[string]bool{"the phone has it": false, "nobody has it": true} {
		t.Run(name, func(t *testing.T) {
			id := send(t, g, ana, aPicture)
			s.Expect("message.exchange", is{"message.id": id})
			if err := g.Network.Fault(wasim.Fault{Kind: "media_gone", MessageID: id, Final: final}); err != nil {
				t.Fatal(err)
			}
			if !final {
				wantBase64(t, g, id)
				return
			}
			a := g.Do("GET", "/api/chat/base64/sales?messageId="+id, apptest.Token, nil)
			if a.Status != 404 || !strings.Contains(string(a.Raw), "Message not found or no media available") {
				t.Errorf("%d %s", a.Status, a.Raw)
			}
		})
	}
	text := send(t, g, ana, wasim.Message{Text: "no file"})
	s.Expect("message.exchange", is{"message.id": text})
	if a := g.Do("GET", "/api/chat/base64/sales?messageId="+text, apptest.Token, nil); a.Status != 404 {
		t.Errorf("a text: %d %s", a.Status, a.Raw)
	}
}

// TestS3SecretIsInNoLog, whether its bucket takes it or not.
func TestS3SecretIsInNoLog(t *testing.T) {
	server := s3test.Start(t)
	log := &journal{}
	g := apptest.StartLogged(t, log)
	g.Create("sales", nil)
	s := g.Listen("sales", apptest.Token)
	g.Link("sales", olga)
	set := bucketOf(t, server, "media")
	wrong := object{"secretKey": "a-secret-that-is-wrong"}
	for k, v := range set {
		if k != "secretKey" {
			wrong[k] = v
		}
	}
	if a := g.Do("POST", "/api/instance/s3/sales", apptest.Token, wrong); a.Status != 400 {
		t.Errorf("the wrong key: %d %s", a.Status, a.Raw)
	}
	g.Must("POST", "/api/instance/s3/sales", set)
	id := send(t, g, ana, aPicture)
	served(t, s.Expect("message.exchange", is{"message.id": id, "message.media.s3Url": "*"}).Get("message.media.s3Url"))
	for _, secret := range []string{s3test.SecretKey, "a-secret-that-is-wrong", "X-Amz-Signature"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}
