package embed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/fault"
)

// outage is the retry hint for callers when the endpoint is down and says
// nothing about when it will be back; maxWait is the longest that its
// Retry-After is waited for here rather than passed on.
const (
	outage  = 5 * time.Second
	maxWait = 10 * time.Second
)

// batch embeds one request's worth of texts into vectors, with retries.
func (o *OpenAI) batch(ctx context.Context, texts []string, vectors [][]float32) error {
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	body, err := json.Marshal(request{Model: o.config.Model, Input: texts, EncodingFormat: "float"})
	if err != nil {
		return fault.New(fault.Internal, fault.Bug, "encode the embedding request").Because(err)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = o.config.RetryInterval
	pause.MaxInterval = 30 * o.config.RetryInterval
	pause.Multiplier = 2

	var last error // the fault behind what Retry returns
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		last = o.attempt(ctx, body, vectors)
		var f *fault.Error
		switch {
		case last == nil:
			return struct{}{}, nil
		case !errors.As(last, &f) || !f.Retryable:
			return struct{}{}, backoff.Permanent(last)
		case f.RetryAfter == 0:
			return struct{}{}, last
		}
		// The endpoint said when. A wait that long is the caller's to make.
		if deadline, ok := ctx.Deadline(); f.RetryAfter > maxWait || ok && time.Until(deadline) < f.RetryAfter {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, &backoff.RetryAfterError{Duration: f.RetryAfter}
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(uint(o.config.MaxRetries)+1), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var f *fault.Error
	if errors.As(last, &f) && f.Retryable && f.RetryAfter == 0 {
		later := *f
		later.RetryAfter = outage
		return &later
	}
	return last
}

// attempt sends one request and reads the answer. Errors are faults; one that
// another attempt may mend is retryable.
func (o *OpenAI) attempt(ctx context.Context, body []byte, vectors [][]float32) error {
	if err := failpoint.Hit(failpoint.EmbedCall); err != nil {
		return down(0, "the embedding endpoint was made to fail").Because(err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.endpoint, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Internal, fault.Bug, "make the embedding request").Because(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if o.config.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+o.config.APIKey)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return down(0, "the embedding endpoint could not be reached").Because(bare(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	if resp.StatusCode != http.StatusOK {
		// The body may quote the input: it is read for the connection's sake only.
		io.CopyN(io.Discard, resp.Body, 64<<10) //nolint:errcheck // best effort
		return refused(resp)
	}
	limit := answerLimit(len(vectors), o.identity.Dimension)
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return down(0, "the embedding endpoint broke off its answer").Because(bare(err))
	}
	if int64(len(raw)) > limit {
		return wrong("its answer to %d texts is over %d bytes", len(vectors), limit)
	}
	return decode(raw, vectors, o.identity.Dimension)
}

// refused classifies an HTTP status.
func refused(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return down(retryAfter(resp.Header.Get("Retry-After")), "the embedding endpoint answered HTTP %d", code)
	case code == http.StatusRequestEntityTooLarge:
		return fault.New(fault.InvalidArgument, fault.TooLarge, "the embedding endpoint finds the text too large (HTTP 413)")
	case code == http.StatusBadRequest || code == http.StatusUnprocessableEntity:
		return fault.New(fault.InvalidArgument, fault.InvalidField, "the embedding endpoint refused the text (HTTP %d)", code)
	default:
		// Wrong key, wrong address, wrong model: the operator's to mend, and
		// the client's to wait for. Retrying at once is pointless.
		return permanent("the embedding endpoint refused the server's request (HTTP %d); check its address, model and API key", code)
	}
}

// down is an outage that another attempt may mend.
func down(after time.Duration, format string, args ...any) *fault.Error {
	return fault.Retry(fault.Unavailable, fault.EmbedderDown, after, format, args...)
}

// permanent is an outage that lasts until somebody mends it.
func permanent(format string, args ...any) *fault.Error {
	return down(time.Minute, format, args...)
}

// wrong is an answer that breaks the protocol.
func wrong(format string, args ...any) *fault.Error {
	return permanent("the embedding endpoint is unusable: "+format, args...)
}

// retryAfter reads the header's two forms, seconds and date (RFC 9110,
// section 10.2.3), up to one hour. Zero when there is none.
func retryAfter(header string) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds >= 0 {
		d = time.Duration(min(seconds, 3600) * float64(time.Second))
	} else if at, err := http.ParseTime(header); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), time.Hour)
}

// bare strips the address from an error of the HTTP client.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
