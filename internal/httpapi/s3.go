package httpapi

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/chasqui/chasqui/internal/fault"
	"github.com/chasqui/chasqui/internal/instance"
	"github.com/chasqui/chasqui/internal/media"
)

// defaultRegion is the region of a bucket that was set without one.
const defaultRegion = "us-east-1"

func (a *api) bucketRoutes(tag string) {
	const getFailed = "Failed to get S3 configuration"
	register(a, operation{
		method: "GET", path: "/api/instance/getS3/{instance}", tag: tag, summary: "Read the media bucket",
		auth: authAny, lookup: getFailed, failure: getFailed,
	}, a.getBucket)
	register(a, operation{
		method: "POST", path: "/api/instance/s3/{instance}", tag: tag, summary: "Set or clear the media bucket",
		auth: authAny, body: bodyRequired, failure: "Failed to update S3 configuration",
	}, a.setBucket)
}

// S3Body is the request of POST /api/instance/s3. Enabled needs bucket and both
// keys; disabled clears all.
type S3Body struct {
	Enabled    *bool   `json:"enabled" required:"true" nullable:"false"`
	Region     *string `json:"region,omitempty" doc:"us-east-1 if absent"`
	Bucket     *string `json:"bucket,omitempty" doc:"It must exist"`
	AccessKey  *string `json:"accessKey,omitempty"`
	SecretKey  *string `json:"secretKey,omitempty" doc:"Never shown again"`
	Endpoint   *string `json:"endpoint,omitempty" doc:"An http or https URL; empty means AWS"`
	PathPrefix *string `json:"pathPrefix,omitempty" doc:"Begins the key of every object"`
}

// config is what the body asks for.
func (b *S3Body) config() media.BucketConfig {
	if !deref(b.Enabled) {
		return media.BucketConfig{}
	}
	return media.BucketConfig{
		Enabled: true, Region: cmp.Or(deref(b.Region), defaultRegion), Bucket: deref(b.Bucket),
		AccessKey: deref(b.AccessKey), SecretKey: deref(b.SecretKey),
		Endpoint: deref(b.Endpoint), PathPrefix: deref(b.PathPrefix),
	}
}

// S3Answer shows the media bucket. Unlike other answers it has no message.
type S3Answer struct {
	Success bool   `json:"success"`
	S3      S3View `json:"s3"`
}

// SavedS3Answer is the answer of POST /api/instance/s3.
type SavedS3Answer struct {
	Envelope
	S3 SavedS3View `json:"s3"`
}

// SavedS3View is the media bucket without any word of its secret key.
type SavedS3View struct {
	Enabled    bool   `json:"enabled"`
	Region     string `json:"region"`
	Bucket     string `json:"bucket"`
	AccessKey  string `json:"accessKey"`
	Endpoint   string `json:"endpoint"`
	PathPrefix string `json:"pathPrefix"`
}

func (a *api) getBucket(ctx context.Context, c *call, _ *none) (S3Answer, error) {
	view, err := a.viewBucket(ctx, c.instance.ID)
	return S3Answer{Success: true, S3: view}, err
}

// viewBucket shows a bucket that was never set as a disabled one.
func (a *api) viewBucket(ctx context.Context, instanceID string) (S3View, error) {
	c, _, err := a.Buckets.Bucket(ctx, instanceID)
	return viewS3(c), err
}

func (a *api) setBucket(ctx context.Context, c *call, b *S3Body) (SavedS3Answer, error) {
	wanted := b.config()
	if err := a.Buckets.CheckBucket(ctx, wanted); err != nil {
		return SavedS3Answer{}, err
	}
	err := a.Buckets.SetBucket(ctx, c.instance.ID, wanted)
	return SavedS3Answer{Envelope: success("S3 configuration updated"), S3: viewSavedS3(wanted)}, err
}

// S3Block is the media bucket in POST /api/instance/new.
type S3Block struct {
	S3Enabled    *bool   `json:"s3Enabled,omitempty" doc:"As enabled of POST /api/instance/s3, and so on"`
	S3Region     *string `json:"s3Region,omitempty"`
	S3Bucket     *string `json:"s3Bucket,omitempty"`
	S3AccessKey  *string `json:"s3AccessKey,omitempty"`
	S3SecretKey  *string `json:"s3SecretKey,omitempty"`
	S3Endpoint   *string `json:"s3Endpoint,omitempty"`
	S3PathPrefix *string `json:"s3PathPrefix,omitempty"`
}

// checkBucket returns the bucket that a new instance is to have, if it can be
// used. The details of a fault name the fields of the block.
func (a *api) checkBucket(ctx context.Context, b S3Block) (media.BucketConfig, error) {
	asked := S3Body{b.S3Enabled, b.S3Region, b.S3Bucket, b.S3AccessKey, b.S3SecretKey, b.S3Endpoint, b.S3PathPrefix}
	c := asked.config()
	err := a.Buckets.CheckBucket(ctx, c)
	var f *fault.Error
	if !errors.As(err, &f) {
		return c, err
	}
	named := *f
	named.Details = make([]fault.Detail, len(f.Details))
	for i, d := range f.Details {
		named.Details[i] = fault.Detail{Field: s3Field(d.Field), Reason: d.Reason}
	}
	return c, &named
}

// s3Field is the name of an S3 field in the block.
func s3Field(field string) string { return "s3" + strings.ToUpper(field[:1]) + field[1:] }

// addBucket gives a new instance its bucket. When that fails the instance goes
// again: it must not run without what was asked for.
func (a *api) addBucket(ctx context.Context, in instance.Instance, c media.BucketConfig) error {
	if !c.Enabled {
		return nil
	}
	err := a.Buckets.SetBucket(ctx, in.ID, c)
	if err == nil {
		return nil
	}
	return errors.Join(err, a.Instances.Delete(context.WithoutCancel(ctx), in))
}

func viewS3(c media.BucketConfig) S3View {
	return S3View{
		Enabled: c.Enabled, Region: c.Region, Bucket: c.Bucket, AccessKey: c.AccessKey,
		Endpoint: c.Endpoint, PathPrefix: c.PathPrefix,
	}
}

func viewSavedS3(c media.BucketConfig) SavedS3View {
	return SavedS3View{
		Enabled: c.Enabled, Region: c.Region, Bucket: c.Bucket, AccessKey: c.AccessKey,
		Endpoint: c.Endpoint, PathPrefix: c.PathPrefix,
	}
}
