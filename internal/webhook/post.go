package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"strconv"
	"time"
)

// post makes the attempt.
func (w *Worker) post(ctx context.Context, hook *Webhook, j *Job) Result {
	r := Result{At: w.opts.Now()}
	began := time.Now()
	req, err := w.request(ctx, hook, j, r.At)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Error("a stored delivery cannot be sent", "instance_id", hook.InstanceID, "label", hook.Label,
				"delivery_id", j.ID, "event_id", j.EventID, "error", err)
		}
		r.Err, r.Ours = errUnread, true
		return r
	}
	r.Response, r.Err = w.sender.Post(ctx, req)
	r.Took = time.Since(began)
	if r.Err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		r.Err = errTimeout
	}
	return r
}

// request builds the POST of a job, with the configuration of the moment.
func (w *Worker) request(ctx context.Context, hook *Webhook, j *Job, at time.Time) (Request, error) {
	header := make(map[string]string, len(hook.Headers)+7)
	maps.Copy(header, hook.Headers)
	header["Content-Type"] = "application/json"
	header["User-Agent"] = w.opts.UserAgent
	if hook.Authorization != nil {
		header["Authorization"] = *hook.Authorization
	}
	header[HeaderID] = j.ID
	header[HeaderAttempt] = strconv.Itoa(j.Failures + 1)
	if secrets := hook.secrets(at); len(secrets) > 0 {
		signature, err := w.sign(ctx, secrets, j, at)
		if err != nil {
			return Request{}, err
		}
		header[HeaderTimestamp] = strconv.FormatInt(at.Unix(), 10)
		header[HeaderSignature] = signature
	}
	body, err := w.body(ctx, j)
	if err != nil {
		return Request{}, err
	}
	return Request{
		URL: hook.Target(j.Event), Header: header, Size: j.BodySize, Body: body,
		Reopen: func() (io.ReadCloser, error) { return w.body(ctx, j) },
	}, nil
}

// sign reads the body once.
func (w *Worker) sign(ctx context.Context, secrets []string, j *Job, at time.Time) (string, error) {
	body, err := w.body(ctx, j)
	if err != nil {
		return "", err
	}
	signature, err := Sign(secrets, j.ID, at, body)
	return signature, errors.Join(err, body.Close())
}

func (w *Worker) body(ctx context.Context, j *Job) (io.ReadCloser, error) {
	if j.BodySize > InlineBody {
		return w.queue.OpenBody(ctx, j.BodyID)
	}
	return io.NopCloser(bytes.NewReader(j.Body)), nil
}
