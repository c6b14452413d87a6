package engram_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
)

// model is a server of one session that keeps the sequence rules of the
// contract and misbehaves as its script says. It speaks through the real
// transport, on a loopback port.
type model struct {
	engramv1connect.UnimplementedMemoryServiceHandler
	addr   string
	script func(s *stream) error // runs each stream, after its init

	mu         sync.Mutex
	streams    int
	next       uint64 // the number expected
	durable    uint64
	kept       []string // ids, in order
	duplicates int
	ended      bool // the session was closed
	maxBatch   uint32
	header     *connect.Header
}

// newModel starts a model whose streams run script. It ends with the test.
func newModel(t *testing.T, script func(*stream) error) *model {
	t.Helper()
	m := &model{script: script, next: 1}
	server := connect.NewServer()
	engramv1connect.RegisterMemoryServiceHandler(server, m)
	mux := http.NewServeMux()
	connecthttp.Mount(mux, server, connecthttp.WithCompressMinBytes(4096))
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	h := &http.Server{Handler: mux, Protocols: &p, ReadHeaderTimeout: time.Minute}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the model's listener: %v", err)
		}
	}()
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return m
}

func (m *model) keptIDs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.kept...)
}

// lose forgets what is not durable, as a crash does.
func (m *model) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next, m.kept = m.durable+1, m.kept[:m.durable]
}

// stream is one stream to the model.
type stream struct {
	*model
	n       int // which stream it is, from 1
	receive func() (*v1.MemoryStreamRequest, error)
	send    func(*v1.MemoryStreamResponse) error
}

func (m *model) MemoryStream(_ context.Context, st engramv1connect.MemoryServiceMemoryStreamServerStream) error {
	return m.run(&stream{model: m, receive: st.Receive, send: st.Send})
}

func (m *model) ObserveStream(ctx context.Context, st engramv1connect.MemoryServiceObserveStreamServerStream) error {
	m.mu.Lock()
	if info, ok := connect.CallInfoForServerContext(ctx); ok {
		m.header = info.RequestHeader()
	}
	m.mu.Unlock()
	return m.run(&stream{model: m, receive: func() (*v1.MemoryStreamRequest, error) {
		f, err := st.Receive()
		if err != nil {
			return nil, err
		}
		return convert(f, new(v1.MemoryStreamRequest))
	}, send: func(f *v1.MemoryStreamResponse) error {
		out, err := convert(f, new(v1.ObserveStreamResponse))
		if err != nil {
			return err
		}
		return st.Send(out)
	}})
}

// convert passes a message from one of the two streams' types to the other's:
// their fields have the same numbers.
func convert[M proto.Message](from proto.Message, to M) (M, error) {
	data, err := proto.Marshal(from)
	if err != nil {
		return to, err
	}
	return to, proto.Unmarshal(data, to)
}

// run answers the init and leaves the rest to the script.
func (m *model) run(s *stream) error {
	f, err := s.receive()
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.streams++
	s.n = m.streams
	ended := m.ended
	m.mu.Unlock()
	if f.GetInit() == nil {
		return connect.NewError(connect.CodeFailedPrecondition, "the first frame is not init")
	}
	if (s.n == 1) != (f.GetInit().SessionId == "") && f.GetInit().SessionId != "earlier" {
		return connect.Errorf(connect.CodeFailedPrecondition, "stream %d opens session %q", s.n, f.GetInit().SessionId)
	}
	if ended {
		return fail(connect.CodeNotFound, "SESSION_CLOSED", 0)
	}
	return m.script(s)
}

// fail makes an error as the server does.
func fail(c connect.Code, reason string, retry time.Duration) error {
	e := connect.NewError(c, "as the script says")
	d, err := connectproto.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason, Domain: "engram"})
	if err != nil {
		return err
	}
	e = e.WithDetail(d)
	if retry > 0 {
		if d, err = connectproto.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(retry)}); err != nil {
			return err
		}
		e = e.WithDetail(d)
	}
	return e
}

// roomy is a grant that is never reached.
var roomy = &v1.Credits{ThroughSequence: 1 << 40, Bytes: 1 << 40}

// welcome answers the init.
func (s *stream) welcome(c *v1.Credits) error {
	s.mu.Lock()
	ack := &v1.InitAck{SessionId: "modelled", Resumed: s.n > 1, NextSequence: s.next, DurableSequence: s.durable, Credits: c, MaxBatchSize: s.maxBatch}
	s.mu.Unlock()
	return s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_InitAck{InitAck: ack}})
}

// keep takes a batch as the sequence rules say and gives the last number; a
// gap is an error, since a client that obeys refusals never makes one.
func (s *stream) keep(b *v1.ObservationBatch) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range b.Observations {
		switch seq := b.FirstSequence + uint64(i); {
		case seq > s.next:
			return 0, connect.Errorf(connect.CodeInternal, "gap: %d came, %d was expected", seq, s.next)
		case seq < s.next:
			s.duplicates++
		default:
			s.kept = append(s.kept, o.Id)
			s.next++
		}
	}
	return s.next - 1, nil
}

// ack says that everything through a number has reached the levels.
func (s *stream) ack(through uint64, c *v1.Credits, levels ...v1.AckLevel) error {
	for _, l := range levels {
		if l == v1.AckLevel_ACK_LEVEL_DURABLE {
			s.mu.Lock()
			s.durable = max(s.durable, through)
			s.mu.Unlock()
		}
		err := s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Ack{Ack: &v1.Ack{Status: l, ThroughSequence: through, Generation: through, Credits: c}}})
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	durable = v1.AckLevel_ACK_LEVEL_DURABLE
	visible = v1.AckLevel_ACK_LEVEL_VISIBLE
)

// serve takes and acks everything until the client closes.
func (s *stream) serve() error {
	// What an earlier stream took may not have been acked.
	s.mu.Lock()
	through := s.next - 1
	s.mu.Unlock()
	if through > 0 {
		if err := s.ack(through, roomy, durable, visible); err != nil {
			return err
		}
	}
	for {
		f, err := s.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if b := f.GetObservations(); b != nil {
			through, err := s.keep(b)
			if err != nil {
				return err
			}
			if err := s.ack(through, roomy, durable, visible); err != nil {
				return err
			}
		}
		if c := f.GetClose(); c != nil {
			return s.close(c)
		}
	}
}

// close ends the session and says so.
func (s *stream) close(c *v1.SessionClose) error {
	s.mu.Lock()
	s.ended = true
	n := s.next - 1
	s.mu.Unlock()
	if c.LastSequence != n {
		return connect.Errorf(connect.CodeInternal, "closed through %d, %d are here", c.LastSequence, n)
	}
	return s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Closed{Closed: &v1.Closed{FinalSequence: n, Accepted: n}}})
}
