package wasim

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxUpload is the largest file the simulated network takes, in bytes.
const maxUpload = 256 << 20

// mediaHost is the host name that media addresses carry. Clients of a simulated network never resolve it: their HTTP
// client rewrites every address.
const mediaHost = "mmg.whatsapp.net"

// mediaAuthTTL is how long clients keep the answer to media_conn.
const mediaAuthTTL = 6 * time.Hour

// mediaStore keeps uploaded files in memory, by name.
type mediaStore struct {
	auth string // what uploads must present; clients get it from media_conn

	mu    sync.Mutex // guards files and what they hold
	files map[string]*mediaFile
}

type mediaFile struct {
	data []byte
	gone bool // answered 404; the phone may upload it again under another name
	lost bool // not on the phone any more either
}

func newMediaStore() *mediaStore {
	return &mediaStore{auth: randomName(), files: map[string]*mediaFile{}}
}

// randomName is 16 random bytes in hexadecimal.
func randomName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// routes puts the media server on the network's listener: uploads as in whatsmeow's upload.go/rawUpload, deletions as
// in upload.go/DeleteMedia, downloads by direct path or URL as in download.go.
func (m *mediaStore) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /mms/{type}/{token}", m.upload)
	mux.HandleFunc("DELETE /mms/{type}/{token}", m.remove)
	mux.HandleFunc("GET /v/{folder}/{name}", m.download)
}

// put keeps a file under a new name and returns its direct path. The path has a query, since whatsmeow appends
// "&hash=" to it (download.go/DownloadMediaWithPath).
func (m *mediaStore) put(data []byte) (directPath string) {
	name := randomName()
	m.mu.Lock()
	m.files[name] = &mediaFile{data: data}
	m.mu.Unlock()
	return "/v/t62.7118-24/" + name + "?ccb=11-4&_nc_sid=5e03e0"
}

func mediaURL(directPath string) string { return "https://" + mediaHost + directPath }

// nameOf is the name of the file at a direct path.
func nameOf(directPath string) string {
	path, _, _ := strings.Cut(directPath, "?")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// get returns a file's bytes, also when it is gone for clients: the phone that sent it still has it.
func (m *mediaStore) get(directPath string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[nameOf(directPath)]
	if f == nil {
		return nil, false
	}
	return f.data, true
}

// again returns a file's bytes for another upload, unless the phone has lost it.
func (m *mediaStore) again(directPath string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[nameOf(directPath)]
	if f == nil || f.lost {
		return nil, false
	}
	return f.data, true
}

// expire makes downloads of a file fail with 404, and with final further uploads of it too. It reports false when there
// is no such file.
func (m *mediaStore) expire(directPath string, final bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[nameOf(directPath)]
	if f == nil {
		return false
	}
	f.gone, f.lost = true, final
	return true
}

func (m *mediaStore) upload(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("auth") != m.auth {
		http.Error(w, "auth is not the one of media_conn", http.StatusUnauthorized)
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpload))
	if err != nil {
		http.Error(w, "the upload did not arrive whole", http.StatusRequestEntityTooLarge)
		return
	}
	if !tokenMatches(r.PathValue("token"), data) {
		http.Error(w, "token is not the SHA-256 of the body", http.StatusBadRequest)
		return
	}
	path := m.put(data)
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]string{"url": mediaURL(path), "direct_path": path}
	_ = json.NewEncoder(w).Encode(answer) // the client has gone: nobody to tell
}

// tokenMatches checks the name a client gives its upload: the SHA-256 of the encrypted file in URL-safe base64, with
// padding (whatsmeow) or without (other clients).
func tokenMatches(token string, data []byte) bool {
	want, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	got := sha256.Sum256(data)
	return err == nil && bytes.Equal(want, got[:])
}

func (m *mediaStore) remove(w http.ResponseWriter, r *http.Request) {
	path, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("d_md"))
	if err != nil {
		http.Error(w, "d_md is not base64", http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	delete(m.files, nameOf(string(path)))
	m.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// download answers GET and HEAD, also for ranges.
func (m *mediaStore) download(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	f := m.files[r.PathValue("name")]
	available := f != nil && !f.gone
	m.mu.Unlock()
	if !available {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}

// handleMediaConn answers media_conn (whatsmeow: mediaconn.go/queryMediaConn).
func handleMediaConn(c *conn, n *Node) {
	if firstChild(n).Tag != "media_conn" {
		c.unanswerable(n)
		return
	}
	ttl := fmt.Sprint(int(mediaAuthTTL.Seconds()))
	c.send(result(n, Node{
		Tag:     "media_conn",
		Attrs:   Attrs{"auth": c.server.media.auth, "ttl": ttl, "auth_ttl": ttl, "max_buckets": "12"},
		Content: []Node{{Tag: "host", Attrs: Attrs{"hostname": mediaHost}}},
	}))
}

// pathOf is the direct path of a media address.
func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.RequestURI()
}
