package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/media"
)

const (
	// awsHost stands for the endpoint of whatever region is configured.
	awsHost = "s3.amazonaws.com"
	// maxPrefix leaves room for the rest of a key, which S3 limits to 1024 bytes.
	maxPrefix = 512
	// attempts of one call, for answers and connections that may work the next
	// moment; whoever keeps a file longer tries again later.
	attempts = 2
)

// regionForm keeps out what cannot stand in a signature.
var regionForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// S3Options are what a bucket reaches its server by.
type S3Options struct {
	// Transport makes every connection. It is what refuses addresses.
	Transport http.RoundTripper
	// Refused is the error by which Transport does so.
	Refused error
	// CheckURL refuses an endpoint before anything is dialled; its texts may be
	// shown.
	CheckURL func(raw string) error
}

// S3 is one bucket. It is safe for concurrent use and holds nothing that would
// have to be closed. Its errors never hold the keys.
type S3 struct {
	bucket string
	core   minio.Core
	opts   S3Options
}

var _ media.Bucket = (*S3)(nil)

// NewS3 returns the bucket of a configuration. It calls nobody. What is wrong
// with the configuration is an Invalid request body whose details name the
// fields of POST /api/instance/s3.
func NewS3(c media.BucketConfig, opts S3Options) (*S3, error) {
	host, secure, details := checkConfig(c, opts)
	if len(details) > 0 {
		return nil, fault.InvalidBody(details...)
	}
	client, err := minio.NewCore(host, &minio.Options{
		Creds:      credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:     secure,
		Transport:  opts.Transport,
		Region:     c.Region,
		MaxRetries: attempts,
		// Auto: the bucket is part of the host name on AWS and of the path on
		// all others.
		BucketLookup: minio.BucketLookupAuto,
	})
	if err != nil {
		return nil, fault.InvalidBody(fault.Detail{Field: "endpoint", Reason: "must be a host with an optional port"})
	}
	client.SetAppInfo("chasqui", "1")
	return &S3{bucket: c.Bucket, core: *client, opts: opts}, nil
}

// checkConfig finds what is wrong with a configuration and splits its endpoint.
func checkConfig(c media.BucketConfig, opts S3Options) (host string, secure bool, details []fault.Detail) {
	host, secure, problem := splitEndpoint(c.Endpoint, opts)
	for _, check := range []struct{ field, problem string }{
		{"region", check(regionForm.MatchString(c.Region), "must be letters, digits, - and _")},
		{"bucket", needed(c.Bucket, check(s3utils.CheckValidBucketName(c.Bucket) == nil, "must be the name of a bucket"))},
		{"accessKey", needed(c.AccessKey, check(printable(c.AccessKey), "must be printable ASCII"))},
		{"secretKey", needed(c.SecretKey, check(printable(c.SecretKey), "must be printable ASCII"))},
		{"endpoint", problem},
		{"pathPrefix", check(validPrefix(c.PathPrefix), "must be a relative path of at most 512 bytes")},
	} {
		if check.problem != "" {
			details = append(details, fault.Detail{Field: check.field, Reason: check.problem})
		}
	}
	return host, secure, details
}

func check(good bool, problem string) string {
	if good {
		return ""
	}
	return problem
}

// needed is the problem of a field that must not be empty.
func needed(value, problem string) string {
	if value == "" {
		return "is required"
	}
	return problem
}

func splitEndpoint(endpoint string, opts S3Options) (host string, secure bool, problem string) {
	if endpoint == "" {
		return awsHost, true, ""
	}
	if err := opts.CheckURL(endpoint); err != nil {
		if errors.Is(err, opts.Refused) {
			return "", false, "address is not allowed"
		}
		return "", false, "must be an http or https URL without credentials"
	}
	u, err := url.Parse(endpoint)
	if err != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false, "must be a URL without path and query"
	}
	return u.Host, u.Scheme == "https", ""
}

func printable(key string) bool {
	return strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func validPrefix(prefix string) bool {
	if strings.HasPrefix(prefix, "/") || len(prefix) > maxPrefix || strings.ContainsFunc(prefix, func(r rune) bool { return r < ' ' }) {
		return false
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "." || part == ".." {
			return false
		}
	}
	return !strings.Contains(prefix, "//")
}

// Put implements media.Shelf. The file is streamed in one request, which S3
// makes visible whole or not at all.
func (s *S3) Put(ctx context.Context, object string, f *os.File, size int64, mimetype string) error {
	_, err := s.core.Client.PutObject(ctx, s.bucket, object, io.NewSectionReader(f, 0, size), size, minio.PutObjectOptions{
		ContentType: mimetype, DisableMultipart: true,
	})
	return s.wrap("put", err)
}

// Open implements media.Shelf. The context bounds the reading too.
func (s *S3) Open(ctx context.Context, object string) (body io.ReadCloser, size int64, err error) {
	body, info, _, err := s.core.GetObject(ctx, s.bucket, object, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, 0, media.ErrNotThere
	}
	if err != nil {
		return nil, 0, s.wrap("get", err)
	}
	return body, info.Size, nil
}

// Delete implements media.Shelf.
func (s *S3) Delete(ctx context.Context, object string) error {
	err := s.core.RemoveObject(ctx, s.bucket, object, minio.RemoveObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil
	}
	return s.wrap("delete", err)
}

// Link implements media.Bucket. S3 allows at most seven days.
func (s *S3) Link(object string, valid time.Duration) (string, error) {
	ctx := context.Background() //nolint:forbidigo // the region is known, so no call is made that could be ended
	u, err := s.core.PresignedGetObject(ctx, s.bucket, object, valid, nil)
	if err != nil {
		return "", s.wrap("link", err)
	}
	return u.String(), nil
}

// Check implements media.Bucket. What the user can mend is an Invalid request
// body whose details name the field; anything about the bucket is, a server that
// does not answer in time included, so the only other error is a cancellation.
func (s *S3) Check(ctx context.Context) error {
	there, err := s.core.BucketExists(ctx, s.bucket)
	if err == nil && !there {
		err = s.whyNotThere(ctx)
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case err != nil:
		return fault.InvalidBody(s.explain(err))
	}
	return nil
}

// whyNotThere asks again for what the answer to a HEAD, which has no body, does
// not tell: some servers answer 404 for an unknown access key too.
func (s *S3) whyNotThere(ctx context.Context) error {
	body, _, _, err := s.core.GetObject(ctx, s.bucket, "chasqui-check", minio.GetObjectOptions{})
	if err == nil {
		return body.Close() // it is there by now
	}
	return err
}

// explain says which field a failed check is about.
func (s *S3) explain(err error) fault.Detail {
	var answer minio.ErrorResponse
	switch {
	case s.opts.Refused != nil && errors.Is(err, s.opts.Refused):
		return fault.Detail{Field: "endpoint", Reason: "address is not allowed"}
	case !errors.As(err, &answer) || answer.StatusCode == 0:
		return fault.Detail{Field: "endpoint", Reason: "cannot be reached: " + whyUnreachable(err)}
	case answer.Code == minio.NoSuchBucket:
		return fault.Detail{Field: "bucket", Reason: "does not exist"}
	case answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusUnauthorized,
		answer.StatusCode == http.StatusNotFound: // see whyNotThere
		return fault.Detail{Field: "accessKey", Reason: "the bucket does not accept these keys"}
	case answer.StatusCode == http.StatusMovedPermanently, answer.StatusCode == http.StatusBadRequest:
		return fault.Detail{Field: "region", Reason: "is not the region of the bucket"}
	}
	return fault.Detail{Field: "endpoint", Reason: fmt.Sprintf("answered %d", answer.StatusCode)}
}

func whyUnreachable(err error) string {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() { // the context's deadline too
		return "timed out"
	}
	return fault.ReasonOr(err, "the connection failed")
}

// wrap names the call. The library's errors repeat the URL, which the log need
// not have.
func (s *S3) wrap(call string, err error) error {
	if err == nil {
		return nil
	}
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err
	}
	return fmt.Errorf("blob: %s in bucket %s: %w", call, s.bucket, err)
}
