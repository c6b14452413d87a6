package embed

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/engram-stream/engram/service/internal/fault"
)

// Defaults and bounds of [OpenAIConfig].
const (
	defaultMaxBatch      = 64
	defaultTimeout       = 30 * time.Second
	defaultMaxRetries    = 4
	defaultMaxConcurrent = 4

	maxMaxBatch      = 2048
	maxMaxConcurrent = 256
	maxMaxRetries    = 20
	maxDimension     = 65536
)

// OpenAIConfig says which endpoint to ask, and how much of it.
type OpenAIConfig struct {
	// BaseURL is the address without the version: "https://api.openai.com",
	// "http://127.0.0.1:11434". A trailing "/v1" is accepted.
	BaseURL string
	// Model is sent as it is.
	Model string
	// APIKey goes into the Authorization header and nowhere else. May be empty.
	APIKey string
	// Dimension of the vectors; 0 asks the endpoint once, at the start.
	Dimension int
	// MaxBatch is the number of texts in one request (default 64).
	MaxBatch int
	// Timeout is for one attempt, answer included (default 30 s).
	Timeout time.Duration
	// MaxRetries is how often a failed request is sent again (default 4;
	// negative for never).
	MaxRetries int
	// MaxConcurrent is the number of requests under way at once (default 4),
	// over all callers.
	MaxConcurrent int
	// RetryInterval is the first pause between attempts (default 200 ms); it
	// doubles each time, up to 30 times that, and varies by half.
	RetryInterval time.Duration
}

// OpenAI embeds by asking an endpoint that speaks the OpenAI embeddings
// protocol: POST {base}/v1/embeddings.
//
// It owns no goroutine beyond the calls of Embed, which wait for theirs. Close
// cancels the calls and waits for them.
type OpenAI struct {
	config   OpenAIConfig
	endpoint string
	client   *http.Client
	slots    chan struct{} // one element per request under way
	identity Identity

	closed context.Context // done when Close was called
	end    context.CancelFunc
	mu     sync.Mutex // guards calls.Add against Close
	calls  sync.WaitGroup
}

var _ Embedder = (*OpenAI)(nil)

// NewOpenAI checks the configuration, fills in defaults, and, if no dimension
// is given, asks the endpoint for one. Errors are faults.
func NewOpenAI(ctx context.Context, config OpenAIConfig) (*OpenAI, error) {
	endpoint, err := config.complete()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = config.MaxConcurrent
	transport.MaxResponseHeaderBytes = 64 << 10
	o := &OpenAI{
		config: config, endpoint: endpoint,
		client: &http.Client{
			Transport: transport,
			// A redirect would carry texts, and maybe the key, to another place.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		slots: make(chan struct{}, config.MaxConcurrent),
	}
	o.closed, o.end = context.WithCancel(context.Background())
	o.identity = Identity{Kind: KindOpenAI, Model: config.Model, Dimension: config.Dimension}
	if config.Dimension == 0 {
		probe, err := o.Embed(ctx, []string{"dimension"})
		if err != nil {
			o.Close() //nolint:errcheck // never fails
			return nil, err
		}
		o.identity.Dimension = len(probe[0])
	}
	return o, nil
}

// complete fills in defaults and checks. It returns the endpoint's address.
// The texts show no value that could hold a secret.
func (c *OpenAIConfig) complete() (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", fault.New(fault.InvalidArgument, fault.InvalidField, "openai embedder: "+format, args...)
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return bad("base URL is not an http(s) address")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return bad("base URL has a user, a query or a fragment; the key belongs into the API key setting")
	}
	if c.Model == "" {
		return bad("model is empty")
	}
	if strings.ContainsAny(c.APIKey, "\r\n\x00") {
		return bad("API key has a line break in it")
	}
	if c.Dimension < 0 || c.Dimension > maxDimension {
		return bad("dimension is %d; the limit is %d", c.Dimension, maxDimension)
	}
	fill(&c.MaxBatch, defaultMaxBatch)
	fill(&c.Timeout, defaultTimeout)
	fill(&c.MaxRetries, defaultMaxRetries)
	fill(&c.MaxConcurrent, defaultMaxConcurrent)
	fill(&c.RetryInterval, 200*time.Millisecond)
	switch {
	case c.MaxBatch < 1 || c.MaxBatch > maxMaxBatch:
		return bad("max batch is %d; it must be in 1..%d", c.MaxBatch, maxMaxBatch)
	case c.MaxConcurrent < 1 || c.MaxConcurrent > maxMaxConcurrent:
		return bad("max concurrent is %d; it must be in 1..%d", c.MaxConcurrent, maxMaxConcurrent)
	case c.MaxRetries > maxMaxRetries:
		return bad("max retries is %d; the limit is %d", c.MaxRetries, maxMaxRetries)
	case c.Timeout < 0 || c.RetryInterval < 0:
		return bad("timeout and retry interval must be positive")
	}
	c.MaxRetries = max(c.MaxRetries, 0)
	return strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/v1") + "/v1/embeddings", nil
}

func fill[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Identity implements [Embedder].
func (o *OpenAI) Identity() Identity { return o.identity }

// MaxBatch implements [Embedder].
func (o *OpenAI) MaxBatch() int { return o.config.MaxBatch }

// Close implements [Embedder].
func (o *OpenAI) Close() error {
	o.mu.Lock()
	o.end()
	o.mu.Unlock()
	o.calls.Wait()
	o.client.CloseIdleConnections()
	return nil
}

// enter registers a call with Close; the caller calls o.calls.Done at its end.
func (o *OpenAI) enter() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed.Err() != nil {
		return fault.New(fault.Unavailable, fault.EmbedderDown, "the embedder is closed")
	}
	o.calls.Add(1)
	return nil
}

// Embed implements [Embedder]. It sends at most MaxBatch texts a request, and
// at most MaxConcurrent requests at once; the first failure cancels the rest.
func (o *OpenAI) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if err := o.enter(); err != nil {
		return nil, err
	}
	defer o.calls.Done()
	for i, text := range texts {
		if text == "" {
			return nil, errEmpty(i)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.closed, cancel)()

	vectors := make([][]float32, len(texts))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(o.config.MaxConcurrent)
	for first := 0; first < len(texts) && groupCtx.Err() == nil; first += o.config.MaxBatch {
		last := min(first+o.config.MaxBatch, len(texts))
		group.Go(func() error { return o.batch(groupCtx, texts[first:last], vectors[first:last]) })
	}
	if err := group.Wait(); err != nil {
		return nil, fault.Of(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.Of(err)
	}
	return vectors, nil
}
