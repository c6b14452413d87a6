package rpc

import (
	"context"
	"errors"
	"io"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/space"
)

// memoryService is MemoryService over the engine.
type memoryService struct{ h *Handlers }

func (s memoryService) ObserveStream(ctx context.Context, stream engramv1connect.MemoryServiceObserveStreamServerStream) error {
	d := &duplex{
		h: s.h,
		receive: func() (received, error) {
			m, err := stream.Receive()
			if err != nil {
				return received{}, err
			}
			return received{init: m.GetInit(), observations: m.GetObservations(), flow: m.GetFlowControl(), close: m.GetClose()}, nil
		},
		send: func(m any) error { return stream.Send(observeResponse(m)) },
	}
	return d.run(ctx)
}

func (s memoryService) MemoryStream(ctx context.Context, stream engramv1connect.MemoryServiceMemoryStreamServerStream) error {
	d := &duplex{
		h: s.h, recalls: make(chan struct{}, maxStreamRecalls),
		receive: func() (received, error) {
			m, err := stream.Receive()
			if err != nil {
				return received{}, err
			}
			return received{init: m.GetInit(), observations: m.GetObservations(), flow: m.GetFlowControl(), close: m.GetClose(), recall: m.GetRecall()}, nil
		},
		send: func(m any) error { return stream.Send(memoryResponse(m)) },
	}
	return d.run(ctx)
}

func (s memoryService) Observe(ctx context.Context, r *v1.ObserveRequest) (*v1.ObserveResponse, error) {
	in := parcel(r.Observations)
	incoming(ctx, in, r.Observations, time.Now())
	b := engine.Batch{
		Space: memory.SpaceID(r.Space), MustExist: r.MustExist, Session: memory.SessionID(r.SessionId), First: memory.Sequence(r.FirstSequence),
		In: in.In, Wait: memory.AckVisible,
	}
	if w := levels([]v1.AckLevel{r.WaitFor}); len(w) > 0 {
		b.Wait = w[0]
	}
	first := v1.Priority_PRIORITY_UNSPECIFIED
	if len(r.Observations) > 0 {
		first = r.Observations[0].GetPriority()
	}
	b.Lane = lane(r.Priority, lane(first, memory.LaneNormal))
	kept, err := s.h.engine.Observe(ctx, b)
	if err != nil {
		return nil, err
	}
	out := &v1.ObserveResponse{
		SessionId: string(kept.Session), NextSequence: uint64(kept.Next), Generation: uint64(kept.Generation), Duplicates: uint32(kept.Duplicates),
	}
	for _, id := range kept.IDs {
		out.ObservationIds = append(out.ObservationIds, string(id))
	}
	for _, r := range kept.Rejections {
		out.Rejections = append(out.Rejections, rejected(r))
	}
	return out, nil
}

func (s memoryService) WatchSession(ctx context.Context, r *v1.WatchSessionRequest, stream engramv1connect.MemoryServiceWatchSessionServerStream) error {
	w, done, err := s.h.engine.WatchSession(memory.SessionID(r.SessionId), levels(r.AckLevels))
	if err != nil {
		return err
	}
	defer done()
	at := w.Standing()
	hello := &v1.InitAck{
		SessionId: string(at.ID), Resumed: true, NextSequence: uint64(at.Next), DurableSequence: uint64(at.Durable),
		Capabilities: capabilities, Credits: credits(at.Credits),
	}
	if err := stream.Send(watchResponse(hello)); err != nil {
		return err
	}
	var buf []session.Event
	for {
		events, err := w.Next(ctx, buf[:0])
		for _, ev := range events {
			if m := watchResponse(frame(ev)); m != nil {
				if err := stream.Send(m); err != nil {
					return err
				}
			}
			if g, ok := ev.(session.GoAway); ok && g.Resumable {
				return nil // the server drains: the watcher comes back after it
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		buf = events
	}
}

func (s memoryService) WatchSpace(ctx context.Context, r *v1.WatchSpaceRequest, stream engramv1connect.MemoryServiceWatchSpaceServerStream) error {
	x, err := filterOf(r.Filter)
	if err != nil {
		return err
	}
	var since *memory.Generation
	if r.SinceGeneration != nil {
		g := memory.Generation(*r.SinceGeneration)
		since = &g
	}
	if err := stream.SendHeaders(); err != nil {
		return err
	}
	p := include(r.Include, withoutVector)
	return s.h.engine.Watch(ctx, memory.SpaceID(r.Space), since, x, func(found []space.Stored, through memory.Generation) error {
		list, err := stored(found, p)
		if err != nil {
			return err
		}
		return stream.Send(&v1.WatchSpaceResponse{Observations: list, Generation: uint64(through)})
	})
}

func (s memoryService) GetObservations(_ context.Context, r *v1.GetObservationsRequest) (*v1.GetObservationsResponse, error) {
	found, missing, snap, err := s.h.engine.Get(memory.SpaceID(r.Space), observationIDs(r.Ids))
	if err != nil {
		return nil, err
	}
	list, err := stored(found, include(r.Include, everything))
	if err != nil {
		return nil, err
	}
	out := &v1.GetObservationsResponse{Observations: list, Generation: uint64(snap.Generation)}
	for _, id := range missing {
		out.MissingIds = append(out.MissingIds, string(id))
	}
	return out, nil
}

func (s memoryService) ListObservations(ctx context.Context, r *v1.ListObservationsRequest) (*v1.ListObservationsResponse, error) {
	x, err := filterOf(r.Filter)
	if err != nil {
		return nil, err
	}
	page, err := s.h.engine.List(ctx, engine.Listing{
		Space: memory.SpaceID(r.Space), Size: int(r.PageSize), Token: r.PageToken, Since: memory.Generation(r.SinceGeneration),
		Filter: x, At: memory.Generation(r.At),
	})
	if err != nil {
		return nil, err
	}
	list, err := stored(page.Stored, include(r.Include, withoutVector))
	if err != nil {
		return nil, err
	}
	return &v1.ListObservationsResponse{Observations: list, NextPageToken: page.Next, Generation: uint64(page.Generation)}, nil
}

func (s memoryService) Forget(ctx context.Context, r *v1.ForgetRequest) (*v1.ForgetResponse, error) {
	x, err := filterOf(r.Filter)
	if err != nil {
		return nil, err
	}
	if r.Filter != nil && len(x.All)+len(x.Any)+len(x.None) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidFilter, "filter is empty; to delete everything, delete the space").In("filter")
	}
	n, at, err := s.h.engine.Forget(ctx, memory.SpaceID(r.Space), observationIDs(r.Ids), x)
	if err != nil {
		return nil, err
	}
	return &v1.ForgetResponse{Forgotten: uint64(n), Generation: uint64(at)}, nil
}

func observationIDs(ids []string) []memory.ObservationID {
	out := make([]memory.ObservationID, len(ids))
	for i := range ids {
		out[i] = memory.ObservationID(ids[i])
	}
	return out
}
