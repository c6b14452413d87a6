package engram

import (
	"context"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
)

// duplex is one stream to the server, of either kind.
type duplex interface {
	send(*v1.MemoryStreamRequest) error
	receive() (*v1.MemoryStreamResponse, error)
	close()
}

// memoryDuplex carries recalls too.
type memoryDuplex struct {
	s engramv1connect.MemoryServiceMemoryStreamClientStream
}

func (d memoryDuplex) send(m *v1.MemoryStreamRequest) error       { return d.s.Send(m) }
func (d memoryDuplex) receive() (*v1.MemoryStreamResponse, error) { return d.s.Receive() }
func (d memoryDuplex) close()                                     { _ = d.s.Close() } //nolint:errcheck // the stream is given up

// observeDuplex speaks ObserveStream in the frames of MemoryStream.
type observeDuplex struct {
	s engramv1connect.MemoryServiceObserveStreamClientStream
}

func (d observeDuplex) send(m *v1.MemoryStreamRequest) error {
	out := &v1.ObserveStreamRequest{}
	switch f := m.Frame.(type) {
	case *v1.MemoryStreamRequest_Init:
		out.Frame = &v1.ObserveStreamRequest_Init{Init: f.Init}
	case *v1.MemoryStreamRequest_Observations:
		out.Frame = &v1.ObserveStreamRequest_Observations{Observations: f.Observations}
	case *v1.MemoryStreamRequest_FlowControl:
		out.Frame = &v1.ObserveStreamRequest_FlowControl{FlowControl: f.FlowControl}
	case *v1.MemoryStreamRequest_Close:
		out.Frame = &v1.ObserveStreamRequest_Close{Close: f.Close}
	}
	return d.s.Send(out)
}

func (d observeDuplex) receive() (*v1.MemoryStreamResponse, error) {
	m, err := d.s.Receive()
	if err != nil {
		return nil, err
	}
	out := &v1.MemoryStreamResponse{}
	switch f := m.Frame.(type) {
	case *v1.ObserveStreamResponse_InitAck:
		out.Frame = &v1.MemoryStreamResponse_InitAck{InitAck: f.InitAck}
	case *v1.ObserveStreamResponse_Ack:
		out.Frame = &v1.MemoryStreamResponse_Ack{Ack: f.Ack}
	case *v1.ObserveStreamResponse_Rejection:
		out.Frame = &v1.MemoryStreamResponse_Rejection{Rejection: f.Rejection}
	case *v1.ObserveStreamResponse_Refusal:
		out.Frame = &v1.MemoryStreamResponse_Refusal{Refusal: f.Refusal}
	case *v1.ObserveStreamResponse_Status:
		out.Frame = &v1.MemoryStreamResponse_Status{Status: f.Status}
	case *v1.ObserveStreamResponse_GoAway:
		out.Frame = &v1.MemoryStreamResponse_GoAway{GoAway: f.GoAway}
	case *v1.ObserveStreamResponse_Closed:
		out.Frame = &v1.MemoryStreamResponse_Closed{Closed: f.Closed}
	}
	return out, nil
}

func (d observeDuplex) close() { _ = d.s.Close() } //nolint:errcheck // the stream is given up

// dial opens a stream of the kind the session wants.
func (s *Session) dial(ctx context.Context) (duplex, error) {
	if s.recalls != nil {
		st, err := s.client.memory.MemoryStream(ctx)
		return memoryDuplex{st}, err
	}
	st, err := s.client.memory.ObserveStream(ctx)
	return observeDuplex{st}, err
}
