package engramtest_test

import (
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/engramtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, s *engramtest.Server) engramv1connect.MemoryServiceClient {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(&http.Client{Transport: tr}, s.URL)))
}

// A whole server comes up, remembers, and remembers after each kind of end.
func TestServerRemembersAcrossItsEnds(t *testing.T) {
	dir := t.TempDir()
	for i, end := range []func(*engramtest.Server){
		func(s *engramtest.Server) { s.Stop(t) },
		func(s *engramtest.Server) { s.Kill() },
		func(s *engramtest.Server) { s.Stop(t); s.Stop(t) },
	} {
		s := engramtest.Start(t, engramtest.WithDataDir(dir), engramtest.WithIndexThreshold(0), engramtest.WithQueueCapacity(1000))
		c := client(t, s)
		if _, err := c.Observe(t.Context(), &v1.ObserveRequest{Space: "notes", Observations: []*v1.Observation{{Content: "life " + strings.Repeat("i", i+1)}}}); err != nil {
			t.Fatal(err)
		}
		list, err := c.ListObservations(t.Context(), &v1.ListObservationsRequest{Space: "notes", PageSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Observations) != i+1 {
			t.Fatalf("in life %d there are %d observations", i+1, len(list.Observations))
		}
		end(s)
	}
}

// A restart keeps the address and the data, whatever the end before it, so a
// client needs no second address.
func TestRestartKeepsAddressAndData(t *testing.T) {
	s := engramtest.Start(t)
	c, addr := client(t, s), s.Addr
	for i, end := range []func(){func() {}, func() { s.Kill() }, func() { s.Stop(t) }} {
		if _, err := c.Observe(t.Context(), &v1.ObserveRequest{Space: "notes", Observations: []*v1.Observation{{Content: "life"}}}); err != nil {
			t.Fatal(err)
		}
		end()
		s.Restart(t)
		space, err := c.ListObservations(t.Context(), &v1.ListObservationsRequest{Space: "notes", PageSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		if s.Addr != addr || len(space.Observations) != i+1 {
			t.Fatalf("after restart %d: %d observations at %s, want %d at %s", i+1, len(space.Observations), s.Addr, i+1, addr)
		}
	}
}

func TestServersAreApart(t *testing.T) {
	one, two := engramtest.Start(t), engramtest.Start(t)
	if one.Addr == two.Addr || one.DataDir == two.DataDir {
		t.Fatalf("two servers share %s or %s", one.Addr, one.DataDir)
	}
}
