package interop

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
)

// duplex is a stream of either Go client.
type duplex interface {
	send(*v1.ObserveStreamRequest) error
	receive() (*v1.ObserveStreamResponse, error)
	closeSend() error
}

// converse holds a session frame by frame: it sends the observations once the
// session is open, and the close once they are visible and were recalled.
func converse(t *testing.T, d duplex, space string, ask func(space string) (*v1.RecallResponse, error)) {
	t.Helper()
	send := func(f *v1.ObserveStreamRequest) {
		if err := d.send(f); err != nil {
			t.Fatal(err)
		}
	}
	send(initFrame(space))
	var all []*v1.ObserveStreamResponse
	for closing := false; ; {
		f, err := d.receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
		if f.GetInitAck() != nil {
			send(batchFrame())
		}
		if a := f.GetAck(); !closing && a.GetStatus() == v1.AckLevel_ACK_LEVEL_VISIBLE && a.GetThroughSequence() == batchSize {
			res, err := ask(space)
			if err != nil {
				t.Fatal(err)
			}
			checkRecalled(t, res, batchSize)
			send(closeFrame())
			if err := d.closeSend(); err != nil {
				t.Fatal(err)
			}
			closing = true
		}
	}
	checkSession(t, all)
}

// protocols are what connect-go can speak.
var protocols = map[string]connecthttp.Option{
	"connect":  connecthttp.WithHTTPGet(), // connect is what it speaks by itself
	"json":     connecthttp.WithProtoJSON(),
	"grpc":     connecthttp.WithGRPC(),
	"grpc-web": connecthttp.WithGRPCWeb(),
}

type connectStream struct {
	engramv1connect.MemoryServiceObserveStreamClientStream
}

func (s connectStream) send(f *v1.ObserveStreamRequest) error       { return s.Send(f) }
func (s connectStream) receive() (*v1.ObserveStreamResponse, error) { return s.Receive() }
func (s connectStream) closeSend() error                            { return s.CloseSend() }

func connectGo(addr, name string, option connecthttp.Option) func(t *testing.T) {
	return func(t *testing.T) {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		t.Cleanup(transport.CloseIdleConnections)
		client := engramv1connect.NewMemoryServiceClient(connect.NewClient(
			connecthttp.NewTransport(&http.Client{Transport: transport}, "http://"+addr, option)))
		ctx, space := deadline(t), "connect-go-"+name
		ask := func(space string) (*v1.RecallResponse, error) { return client.Recall(ctx, recall(space)) }
		t.Run("unary", func(t *testing.T) {
			res, err := client.Observe(ctx, &v1.ObserveRequest{Space: space, Observations: observations()})
			if err != nil {
				t.Fatal(err)
			}
			checkObserved(t, res)
			found, err := ask(space)
			if err != nil {
				t.Fatal(err)
			}
			checkRecalled(t, found, len(facts))
		})
		t.Run("stream", func(t *testing.T) {
			s, err := client.ObserveStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			converse(t, connectStream{s}, space+"-stream", ask)
		})
	}
}

type grpcStream struct{ grpc.ClientStream }

func (s grpcStream) send(f *v1.ObserveStreamRequest) error { return s.SendMsg(f) }
func (s grpcStream) receive() (*v1.ObserveStreamResponse, error) {
	f := new(v1.ObserveStreamResponse)
	return f, s.RecvMsg(f)
}
func (s grpcStream) closeSend() error { return s.CloseSend() }

// grpcGo uses the reference implementation of gRPC, without generated stubs.
func grpcGo(addr string) func(t *testing.T) {
	return func(t *testing.T) {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx := deadline(t)
		ask := func(space string) (*v1.RecallResponse, error) {
			res := new(v1.RecallResponse)
			return res, conn.Invoke(ctx, "/"+service+"Recall", recall(space), res)
		}
		t.Run("unary", func(t *testing.T) {
			res := new(v1.ObserveResponse)
			err := conn.Invoke(ctx, "/"+service+"Observe", &v1.ObserveRequest{Space: "grpc-go", Observations: observations()}, res)
			if err != nil {
				t.Fatal(err)
			}
			checkObserved(t, res)
			found, err := ask("grpc-go")
			if err != nil {
				t.Fatal(err)
			}
			checkRecalled(t, found, len(facts))
		})
		t.Run("stream", func(t *testing.T) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+service+"ObserveStream")
			if err != nil {
				t.Fatal(err)
			}
			converse(t, grpcStream{s}, "grpc-go-stream", ask)
		})
	}
}
