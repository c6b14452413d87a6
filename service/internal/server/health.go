package server

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect/v2"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/engram-stream/engram/service/internal/rpc"
)

// watchEvery is how often a watched status is looked at.
const watchEvery = 250 * time.Millisecond

// health is grpc.health.v1.Health over the server's readiness.
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
type health struct {
	ready   func() (bool, string)
	leaving <-chan struct{}
}

func (h health) register(s *connect.Server) {
	methods := healthpb.File_grpc_health_v1_health_proto.Services().ByName("Health").Methods()
	spec := func(name string, t connect.StreamType) connect.Spec {
		d := methods.ByName(protoName(name))
		return connect.Spec{StreamType: t, Schema: d, Procedure: fmt.Sprintf("/%s/%s", d.Parent().FullName(), name)}
	}
	s.Register(
		connect.Method{Spec: spec("Check", connect.StreamTypeUnary), Handler: h.check},
		connect.Method{Spec: spec("List", connect.StreamTypeUnary), Handler: h.list},
		connect.Method{Spec: spec("Watch", connect.StreamTypeServer), Handler: h.watch},
	)
}

func (h health) status(service string) (healthpb.HealthCheckResponse_ServingStatus, bool) {
	known := service == ""
	for _, n := range rpc.ServiceNames {
		known = known || n == service
	}
	if !known {
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN, false
	}
	if ok, _ := h.ready(); !ok {
		return healthpb.HealthCheckResponse_NOT_SERVING, true
	}
	return healthpb.HealthCheckResponse_SERVING, true
}

func (h health) check(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req healthpb.HealthCheckRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	st, known := h.status(req.Service)
	if !known {
		return connect.Errorf(connect.CodeNotFound, "service %.64q is not known", req.Service)
	}
	return stream.Send(&healthpb.HealthCheckResponse{Status: st})
}

func (h health) list(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req healthpb.HealthListRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	out := &healthpb.HealthListResponse{Statuses: map[string]*healthpb.HealthCheckResponse{}}
	for _, n := range append([]string{""}, rpc.ServiceNames...) {
		st, _ := h.status(n)
		out.Statuses[n] = &healthpb.HealthCheckResponse{Status: st}
	}
	return stream.Send(out)
}

func (h health) watch(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
	var req healthpb.HealthCheckRequest
	if err := stream.Receive(&req); err != nil {
		return err
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := healthpb.HealthCheckResponse_ServingStatus(-1)
	for {
		if st, _ := h.status(req.Service); st != last {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: st}); err != nil {
				return err
			}
			last = st
		}
		select {
		case <-tick.C:
		case <-h.leaving:
			return stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
