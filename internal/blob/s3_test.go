package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/blob/blobtest"
	"github.com/chasqui/chasqui/internal/blob/s3test"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

// through returns the options of a gateway that may call the given networks.
func through(t testing.TB, networks ...string) blob.S3Options {
	t.Helper()
	var allow []netip.Prefix
	for _, n := range networks {
		allow = append(allow, netip.MustParsePrefix(n))
	}
	c := egress.New(allow)
	t.Cleanup(c.Close)
	return blob.S3Options{Transport: c.Transport(), Refused: egress.ErrRefused, CheckURL: c.CheckURL}
}

func local(t testing.TB) blob.S3Options { return through(t, "127.0.0.0/8") }

func bucket(t testing.TB, c media.BucketConfig) *blob.S3 {
	t.Helper()
	b, err := blob.NewS3(c, local(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// file writes a temporary file of that content.
func file(t testing.TB, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func details(t testing.TB, err error) []fault.Detail {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Message != fault.MsgBody || f.Kind != fault.Invalid {
		t.Fatalf("got %v, want an invalid body", err)
	}
	return f.Details
}

// A bucket keeps the promises that a folder keeps.
func TestS3(t *testing.T) {
	server := s3test.Start(t)
	blobtest.Run(t, bucket(t, server.MakeBucket(t, "media")))
}

// rest.md section 2, S3: bucket and both keys needed, endpoint within the
// address rules, 400 with details.
func TestS3ConfigIsChecked(t *testing.T) {
	good := media.BucketConfig{Enabled: true, Region: "us-east-1", Bucket: "media", AccessKey: "AKIAEXAMPLE", SecretKey: "hidden", PathPrefix: "wa/"}
	with := func(change func(*media.BucketConfig)) media.BucketConfig {
		c := good
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		config media.BucketConfig
		want   []string // fields
	}{
		"good":        {good, nil},
		"no bucket":   {with(func(c *media.BucketConfig) { c.Bucket = "" }), []string{"bucket"}},
		"odd bucket":  {with(func(c *media.BucketConfig) { c.Bucket = "../x" }), []string{"bucket"}},
		"no keys":     {with(func(c *media.BucketConfig) { c.AccessKey, c.SecretKey = "", "" }), []string{"accessKey", "secretKey"}},
		"key of two":  {with(func(c *media.BucketConfig) { c.AccessKey = "a\r\nX: y" }), []string{"accessKey"}},
		"odd region":  {with(func(c *media.BucketConfig) { c.Region = "a/b" }), []string{"region"}},
		"http":        {with(func(c *media.BucketConfig) { c.Endpoint = "http://minio.example.com:9000/" }), nil},
		"https":       {with(func(c *media.BucketConfig) { c.Endpoint = "https://minio.example.com" }), nil},
		"ftp":         {with(func(c *media.BucketConfig) { c.Endpoint = "ftp://minio.example.com" }), []string{"endpoint"}},
		"no scheme":   {with(func(c *media.BucketConfig) { c.Endpoint = "minio.example.com:9000" }), []string{"endpoint"}},
		"path":        {with(func(c *media.BucketConfig) { c.Endpoint = "https://example.com/minio" }), []string{"endpoint"}},
		"credentials": {with(func(c *media.BucketConfig) { c.Endpoint = "https://u:p@example.com" }), []string{"endpoint"}},
		"loopback":    {with(func(c *media.BucketConfig) { c.Endpoint = "http://127.0.0.1:9000" }), []string{"endpoint"}},
		"octal":       {with(func(c *media.BucketConfig) { c.Endpoint = "http://0177.1:9000" }), []string{"endpoint"}},
		"mapped":      {with(func(c *media.BucketConfig) { c.Endpoint = "http://[::ffff:10.0.0.1]" }), []string{"endpoint"}},
		"metadata":    {with(func(c *media.BucketConfig) { c.Endpoint = "http://169.254.169.254" }), []string{"endpoint"}},
		"rooted":      {with(func(c *media.BucketConfig) { c.PathPrefix = "/wa" }), []string{"pathPrefix"}},
		"climbing":    {with(func(c *media.BucketConfig) { c.PathPrefix = "wa/../../x" }), []string{"pathPrefix"}},
		"long prefix": {with(func(c *media.BucketConfig) { c.PathPrefix = strings.Repeat("a", 513) }), []string{"pathPrefix"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := blob.NewS3(tc.config, through(t))
			if tc.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var got []string
			for _, d := range details(t, err) {
				got = append(got, d.Field)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// rest.md section 2, S3: the bucket must exist; its keys must work.
func TestS3Check(t *testing.T) {
	server := s3test.Start(t)
	good := server.MakeBucket(t, "media")
	if err := bucket(t, good).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*media.BucketConfig)
		want   fault.Detail
	}{
		"no such bucket": {func(c *media.BucketConfig) { c.Bucket = "other" }, fault.Detail{Field: "bucket", Reason: "does not exist"}},
		"unknown access key": {
			func(c *media.BucketConfig) { c.AccessKey = "somebody" },
			fault.Detail{Field: "accessKey", Reason: "the bucket does not accept these keys"},
		},
		"wrong secret key": {
			func(c *media.BucketConfig) { c.SecretKey = "another-secret" },
			fault.Detail{Field: "accessKey", Reason: "the bucket does not accept these keys"},
		},
		"nobody listens": {
			func(c *media.BucketConfig) { c.Endpoint = "http://127.0.0.1:1" },
			fault.Detail{Field: "endpoint", Reason: "cannot be reached: connection refused"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.change(&c)
			err := bucket(t, c).Check(t.Context())
			if diff := cmp.Diff([]fault.Detail{tc.want}, details(t, err)); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a server that does not answer", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := good
		c.Endpoint = "http://" + l.Addr().String()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		want := []fault.Detail{{Field: "endpoint", Reason: "cannot be reached: timed out"}}
		if diff := cmp.Diff(want, details(t, bucket(t, c).Check(ctx))); diff != "" {
			t.Errorf("details (-want +got):\n%s", diff)
		}
	})
	t.Run("a caller who gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := bucket(t, good).Check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// events.md section 5, address rules: checked on the address that is really
// dialled. The name passes the first check and resolves to loopback.
func TestS3AddressIsCheckedWhenDialled(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := media.BucketConfig{
		Region: s3test.Region, Bucket: "media", AccessKey: "a", SecretKey: "s",
		Endpoint: "http://localhost:" + u.Port(),
	}
	b, err := blob.NewS3(c, through(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []fault.Detail{{Field: "endpoint", Reason: "address is not allowed"}}
	if diff := cmp.Diff(want, details(t, b.Check(t.Context()))); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	if err := b.Put(t.Context(), "x", file(t, []byte("x")), 1, ""); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("put: %v", err)
	}
	if called {
		t.Error("the server was called")
	}
}

// The secret key is in no error, whatever the server answers.
func TestS3SecretIsNotInErrors(t *testing.T) {
	server := s3test.Start(t)
	c := server.MakeBucket(t, "media")
	c.SecretKey = "the-wrong-secret-key"
	b := bucket(t, c)
	_, _, opening := b.Open(t.Context(), "x")
	for _, err := range []error{
		b.Put(t.Context(), "x", file(t, []byte("x")), 1, "text/plain"), opening, b.Delete(t.Context(), "x"), b.Check(t.Context()),
	} {
		if err == nil || strings.Contains(err.Error(), c.SecretKey) {
			t.Errorf("error %v", err)
		}
	}
}

// rest.md section 2, S3: event URLs are presigned for 7 days. A link is made
// before the object is there, without a call, and anybody can use it.
func TestS3LinkServesTheFile(t *testing.T) {
	server := s3test.Start(t)
	b := bucket(t, server.MakeBucket(t, "media"))
	const object = "wa/sales/2026/09/3EB0 AA+11.jpg"
	link, err := b.Link(object, 7*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("X-Amz-Expires"); got != "604800" {
		t.Errorf("valid for %s s", got)
	}
	if err := b.Put(t.Context(), object, file(t, []byte("picture")), 7, "image/jpeg"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || string(body) != "picture" {
		t.Errorf("status %d, %q, %v", answer.StatusCode, body, err)
	}
	if got := answer.Header.Get("Content-Type"); got != "image/jpeg" {
		t.Errorf("content type %q", got)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A link to AWS names its region's host, and the bucket in it.
func TestS3LinkToAWS(t *testing.T) {
	for region, host := range map[string]string{
		"us-east-1": "media.s3.us-east-1.amazonaws.com", "sa-east-1": "media.s3.sa-east-1.amazonaws.com",
	} {
		b := bucket(t, media.BucketConfig{Region: region, Bucket: "media", AccessKey: "a", SecretKey: "s"})
		link, err := b.Link("x/y.jpg", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		if plain := strings.Replace(u.Host, ".dualstack", "", 1); u.Scheme != "https" || plain != host || u.Path != "/x/y.jpg" {
			t.Errorf("%s: %s://%s%s", region, u.Scheme, u.Host, u.Path)
		}
	}
}

// Put streams: a file of 64 MiB costs a small part of that in memory.
func TestS3PutStreams(t *testing.T) {
	const size = 64 << 20
	server := s3test.Start(t)
	b := bucket(t, server.MakeBucket(t, "media"))
	path := filepath.Join(t.TempDir(), "large")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for range size / len(block) {
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := b.Put(t.Context(), "large", f, size, "video/mp4"); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size/4 {
		t.Errorf("%d MiB were allocated for a file of %d MiB", got>>20, size>>20)
	}
	body, n, err := b.Open(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	read, err := io.Copy(io.Discard, body)
	if err != nil || read != size || n != size {
		t.Errorf("read %d of %d: %v", read, n, err)
	}
}
