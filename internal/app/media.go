package app

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/chasqui/chasqui/internal/blob"
	"github.com/chasqui/chasqui/internal/config"
	"github.com/chasqui/chasqui/internal/egress"
	"github.com/chasqui/chasqui/internal/media"
)

// The folders of files inside the data folder.
const (
	mediaFolder = "media"
	tempFolder  = "media-tmp"
)

// largestFile is the largest that is fetched without a bucket: for the route
// that gives a file as base64. Events take no more than media.base64_max.
const largestFile = 100 << 20

// buildMedia makes what fetches the files of messages and keeps them.
func (p *parts) buildMedia() (err error) {
	opts := p.cfg.Options
	if p.disk, err = openDisk(opts); err != nil {
		return err
	}
	p.library, err = media.NewLibrary(p.db, p.engine, p.disk, media.LibraryOptions{
		TempDir: filepath.Join(opts.Data, tempFolder), Buckets: p.openBucket,
		Max: largestFile, Logger: p.log,
	})
	if err != nil {
		return err
	}
	p.keeper = media.NewKeeper(p.library, media.KeeperOptions{Logger: p.log})
	return nil
}

func openDisk(opts config.Options) (*blob.Disk, error) {
	disk, err := blob.NewDisk(filepath.Join(opts.Data, mediaFolder))
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return disk, nil
}

// openBucket opens the bucket of a configuration, behind the address rules.
func (p *parts) openBucket(c media.BucketConfig) (media.Bucket, error) {
	bucket, err := blob.NewS3(c, blob.S3Options{
		Transport: p.outbound.Transport(), Refused: egress.ErrRefused, CheckURL: p.outbound.CheckURL,
	})
	if err != nil {
		return nil, err
	}
	return bucket, nil
}

// stopFiles gives up the downloads in progress and lets the folder go.
func (p *parts) stopFiles(ctx context.Context) error {
	if err := p.library.Stop(ctx); err != nil {
		return err
	}
	return p.disk.Close()
}
