package engram_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	engram "github.com/engram-stream/engram/sdk/go"
)

// sink acks each frame as soon as it is decoded.
type sink struct {
	engramv1connect.UnimplementedMemoryServiceHandler
}

func (sink) ObserveStream(_ context.Context, st engramv1connect.MemoryServiceObserveStreamServerStream) error {
	if _, err := st.Receive(); err != nil {
		return err
	}
	err := st.Send(&v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_InitAck{InitAck: &v1.InitAck{SessionId: "bench", NextSequence: 1, Credits: roomy}}})
	for err == nil {
		var f *v1.ObserveStreamRequest
		if f, err = st.Receive(); err != nil {
			break
		}
		if c := f.GetClose(); c != nil {
			return st.Send(&v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Closed{Closed: &v1.Closed{FinalSequence: c.LastSequence}}})
		}
		b := f.GetObservations()
		err = st.Send(&v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Ack{Ack: &v1.Ack{
			Status: visible, ThroughSequence: b.FirstSequence + uint64(len(b.Observations)) - 1, Generation: 1,
		}}})
	}
	return err
}

// BenchmarkSession is what the client itself takes: 128-d vectors through a
// session, against a server that only decodes and acks, on the same machine.
//
//	go test -run '^$' -bench Session -benchtime 300000x ./sdk/go
func BenchmarkSession(b *testing.B) {
	server := connect.NewServer()
	engramv1connect.RegisterMemoryServiceHandler(server, sink{})
	mux := http.NewServeMux()
	connecthttp.Mount(mux, server)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	h := &http.Server{Handler: mux, Protocols: &p, ReadHeaderTimeout: time.Minute}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	defer func() {
		if err := h.Close(); err != nil {
			b.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			b.Error(err)
		}
	}()
	c, err := engram.Dial(l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	s, err := c.OpenSession(ctx, "bench")
	if err != nil {
		b.Fatal(err)
	}
	v := make([]float32, 128)
	b.ReportAllocs()
	n, began := 0, time.Now() // b.Elapsed stands still once the loop is over, before the Flush
	for b.Loop() {
		if _, err := s.Observe(ctx, engram.Observation{Vector: v}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := s.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "observations/s")
	if _, err := s.Close(ctx); err != nil {
		b.Fatal(err)
	}
}
