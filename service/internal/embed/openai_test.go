package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
)

const (
	testKey  = "sk-very-secret"
	testText = "private-content"
)

// endpoint serves handler on loopback and makes an embedder for it.
func endpoint(t *testing.T, change func(*OpenAIConfig), handler http.HandlerFunc) *OpenAI {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := OpenAIConfig{
		BaseURL: server.URL, Model: "m", APIKey: testKey, Dimension: 3,
		RetryInterval: time.Millisecond, MaxRetries: 2,
	}
	if change != nil {
		change(&config)
	}
	o, err := NewOpenAI(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() }) //nolint:errcheck // never fails
	return o
}

func input(t *testing.T, r *http.Request) []string {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		t.Errorf("decode the request: %v", err)
	}
	return req.Input
}

// reply answers every text with {length, 1, 2}, last text first.
func reply(w io.Writer, texts []string) {
	var items []string
	for i := len(texts) - 1; i >= 0; i-- {
		items = append(items, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d,1,2]}`, i, len(texts[i])))
	}
	fmt.Fprintf(w, `{"object":"list","data":[%s],"model":"m"}`, strings.Join(items, ",")) //nolint:errcheck // test server
}

func TestOpenAIBatches(t *testing.T) {
	var requests, under, most atomic.Int32
	o := endpoint(t, func(c *OpenAIConfig) { c.MaxBatch, c.MaxConcurrent, c.Dimension = 4, 2, 0; c.BaseURL += "/v1/" },
		func(w http.ResponseWriter, r *http.Request) {
			for n := under.Add(1); n > most.Load(); {
				most.Store(n)
			}
			defer under.Add(-1)
			requests.Add(1)
			if r.URL.Path != "/v1/embeddings" || r.Header.Get("Authorization") != "Bearer "+testKey {
				t.Errorf("request to %s, authorised by %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			texts := input(t, r)
			if len(texts) > 4 {
				t.Errorf("%d texts in one request", len(texts))
			}
			reply(w, texts)
		})
	if got := o.Identity(); got != (Identity{KindOpenAI, "m", 3}) {
		t.Fatalf("identity %+v", got)
	}
	texts := make([]string, 18)
	for i := range texts {
		texts[i] = strings.Repeat("x", i+1)
	}
	vectors, err := o.Embed(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vectors {
		if v[0] != float32(i+1) {
			t.Errorf("text %d got the vector of another: %v", i, v)
		}
	}
	if requests.Load() != 1+5 || most.Load() > 2 {
		t.Errorf("%d requests, %d at once", requests.Load(), most.Load())
	}
}

func TestOpenAIFailures(t *testing.T) {
	status := func(code int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(code)
			fmt.Fprint(w, testText) //nolint:errcheck // test server
		}
	}
	body := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, s) } //nolint:errcheck // test server
	}
	for _, c := range []struct {
		name     string
		handler  http.HandlerFunc
		code     fault.Code
		says     string
		after    time.Duration
		requests int32
	}{
		{"overloaded", status(503, ""), fault.Unavailable, "HTTP 503", outage, 3},
		{"overloaded for long", status(429, "120"), fault.Unavailable, "HTTP 429", 2 * time.Minute, 1},
		{"bad input", status(400, ""), fault.InvalidArgument, "HTTP 400", 0, 1},
		{"too large", status(413, ""), fault.InvalidArgument, "HTTP 413", 0, 1},
		{"bad key", status(401, ""), fault.Unavailable, "HTTP 401", time.Minute, 1},
		{"redirect", status(302, ""), fault.Unavailable, "HTTP 302", time.Minute, 1},
		{"no JSON", body("<html>"), fault.Unavailable, "not as the protocol says", time.Minute, 1},
		{"wrong dimension", body(`{"data":[{"index":0,"embedding":[1,2]}]}`), fault.Unavailable, "dimension 2, not 3", time.Minute, 1},
		{"partial answer", body(`{"data":[]}`), fault.Unavailable, "0 vectors to 1 texts", time.Minute, 1},
		{"bad index", body(`{"data":[{"index":7,"embedding":[1,2,3]}]}`), fault.Unavailable, "index 7", time.Minute, 1},
		{"zero vector", body(`{"data":[{"index":0,"embedding":[0,0,0]}]}`), fault.Unavailable, "zero", time.Minute, 1},
		{"not finite", body(`{"data":[{"index":0,"embedding":[1e300,0,0]}]}`), fault.Unavailable, "not as the protocol says", time.Minute, 1},
		{"huge answer", body(strings.Repeat(" ", 1<<20)), fault.Unavailable, "is over", time.Minute, 1},
		{"broken off", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"data":`) //nolint:errcheck // test server
		}, fault.Unavailable, "broke off", outage, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			o := endpoint(t, nil, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); c.handler(w, r) })
			_, err := o.Embed(context.Background(), []string{testText})
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != c.code || f.RetryAfter != c.after || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %#v (%v), want %v after %v that says %q", err, err, c.code, c.after, c.says)
			}
			if requests.Load() != c.requests {
				t.Errorf("%d requests, want %d", requests.Load(), c.requests)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), testKey) || strings.Contains(e.Error(), testText) || strings.Contains(e.Error(), "127.0.0.1") {
					t.Errorf("the error gives something away: %v", e)
				}
			}
		})
	}
}

func TestOpenAIRetriesUntilItWorks(t *testing.T) {
	var n atomic.Int32
	o := endpoint(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "0.01")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			reply(w, input(t, r))
		}
	})
	v, err := o.Embed(context.Background(), []string{"four"})
	if err != nil || v[0][0] != 4 || n.Load() != 3 {
		t.Fatalf("%v, %v after %d requests", v, err, n.Load())
	}
}

// stalled is an endpoint that answers nothing; started tells of each request.
func stalled(t *testing.T, change func(*OpenAIConfig)) (o *OpenAI, started chan struct{}) {
	started = make(chan struct{}, 16)
	o = endpoint(t, change, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // lets the server notice that the client left
		started <- struct{}{}
		<-r.Context().Done()
	})
	return o, started
}

func TestOpenAITimeout(t *testing.T) {
	o, started := stalled(t, func(c *OpenAIConfig) { c.Timeout = 10 * time.Millisecond; c.MaxRetries = 1 })
	_, err := o.Embed(context.Background(), []string{testText})
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Unavailable || f.RetryAfter != outage {
		t.Fatalf("a slow endpoint gives %v", err)
	}
	if len(started) > 2 {
		t.Errorf("%d requests", len(started))
	}
}

func TestOpenAICancelAndClose(t *testing.T) {
	o, started := stalled(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	embed := func(ctx context.Context) {
		_, err := o.Embed(ctx, []string{testText})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Canceled {
			t.Errorf("a call that was ended gives %v", err)
		}
	}
	wg.Go(func() { embed(ctx) })
	<-started
	cancel()
	wg.Wait()
	wg.Go(func() { embed(context.Background()) })
	<-started
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	var f *fault.Error
	if _, err := o.Embed(context.Background(), []string{"a"}); !errors.As(err, &f) || f.Code != fault.Unavailable {
		t.Errorf("a closed embedder gives %v", err)
	}
}

func TestOpenAIConfigErrors(t *testing.T) {
	for name, change := range map[string]func(*OpenAIConfig){
		"address":         func(c *OpenAIConfig) { c.BaseURL = "ftp://" + testKey },
		"key in address":  func(c *OpenAIConfig) { c.BaseURL = "http://user:" + testKey + "@host" },
		"query":           func(c *OpenAIConfig) { c.BaseURL = "http://host?key=" + testKey },
		"model":           func(c *OpenAIConfig) { c.Model = "" },
		"broken key":      func(c *OpenAIConfig) { c.APIKey = testKey + "\nX: y" },
		"dimension":       func(c *OpenAIConfig) { c.Dimension = -1 },
		"large batch":     func(c *OpenAIConfig) { c.MaxBatch = 1 << 20 },
		"many concurrent": func(c *OpenAIConfig) { c.MaxConcurrent = 1 << 20 },
		"many retries":    func(c *OpenAIConfig) { c.MaxRetries = 1 << 20 },
		"timeout":         func(c *OpenAIConfig) { c.Timeout = -1 },
	} {
		c := OpenAIConfig{BaseURL: "http://127.0.0.1:1", Model: "m", Dimension: 3}
		change(&c)
		var f *fault.Error
		if _, err := NewOpenAI(context.Background(), c); !errors.As(err, &f) || strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"data":[{"index":1,"embedding":[1,2,3]},{"index":0,"embedding":[0,0,1]}]}`), 3)
	f.Add([]byte(`{"data":[{"embedding":[1e39]},{}]}`), 0)
	f.Fuzz(func(t *testing.T, raw []byte, dimension int) {
		vectors := make([][]float32, 2)
		if decode(raw, vectors, max(dimension, 0)) != nil {
			return
		}
		for _, v := range vectors {
			if len(v) != len(vectors[0]) || dimension > 0 && len(v) != dimension || !usable(v) {
				t.Fatalf("decoded %v", vectors)
			}
		}
	})
}
