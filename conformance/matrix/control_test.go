package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// control is where drivers ask for faults, and where the browser's page lives.
// Owner: the test. mu guards cells.
type control struct {
	*httptest.Server
	mu    sync.Mutex
	cells map[int]*cell

	page    []byte      // the browser's driver
	scripts chan []byte // to it
	results chan []byte // from it
}

// cell is one script in one SDK.
type cell struct {
	proxy  *proxy
	server *server
}

func newControl(t *testing.T) *control {
	c := &control{cells: map[int]*cell{}, scripts: make(chan []byte), results: make(chan []byte)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cell/{n}/fault", c.fault)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><script type="module" src="/page.js"></script>`))
	})
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(c.page)
	})
	mux.HandleFunc("GET /next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case s := <-c.scripts:
			_, _ = w.Write(s)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
		var raw json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
			raw = []byte(strconv.Quote(err.Error()))
		}
		select {
		case c.results <- raw:
		case <-r.Context().Done():
		}
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		c.CloseClientConnections()
		c.Close()
	})
	return c
}

// fault does what a step asks for, and answers when it is done.
func (c *control) fault(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("n")) // of no cell otherwise
	c.mu.Lock()
	at := c.cells[n]
	c.mu.Unlock()
	var f struct {
		Do, From, Signal string
		Bytes, Count     int
	}
	err := json.NewDecoder(r.Body).Decode(&f)
	if err == nil && at == nil {
		err = fmt.Errorf("there is no cell %d", n)
	}
	if err == nil {
		err = at.act(r, f.Do, f.From, f.Signal, f.Bytes, f.Count)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write([]byte("{}"))
}

func (at *cell) act(r *http.Request, do, from, signal string, bytes, count int) error {
	p := at.proxy
	switch do {
	case "cut":
		p.change(func() { p.cutLocked(); p.cuts++ })
	case "cut_after":
		if from == "" {
			from = "client"
		}
		p.change(func() { p.armed[from], p.cuts = bytes, 0 })
	case "await_cut":
		return p.await(r.Context().Done(), func() bool { return p.cuts > 0 })
	case "refuse":
		p.change(func() { p.refusing, p.refused = true, 0; p.cutLocked() })
	case "stall":
		p.change(func() { p.stalled = true })
	case "await_refused":
		return p.await(r.Context().Done(), func() bool { return p.refused >= count })
	case "restore":
		p.change(func() { p.refusing, p.stalled = false, false })
	case "restart":
		how := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[signal]
		if err := at.server.end(how); err != nil {
			return err
		}
		return at.server.run(r.Context(), at.server.addr)
	case "tick":
		return tick(r.Context())
	default:
		return fmt.Errorf("there is no fault %q", do)
	}
	return nil
}

// tick returns when the clock has shown a later millisecond, twice.
func tick(ctx context.Context) error {
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	for began := time.Now().UnixMilli(); time.Now().UnixMilli() < began+2; {
		select {
		case <-look.C: // nothing but looking tells what the clock shows
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
