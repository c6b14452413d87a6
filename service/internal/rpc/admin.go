package rpc

import (
	"context"
	"encoding/base64"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
)

// Bounds on the interval of WatchStatus.
const (
	minInterval     = 100 * time.Millisecond
	maxInterval     = time.Minute
	defaultInterval = time.Second
)

// adminService is AdminService over the engine.
type adminService struct{ h *Handlers }

var errLeaving = fault.Retry(fault.Unavailable, fault.Draining, time.Second, "the server is shutting down")

func (s adminService) GetStatus(context.Context, *v1.GetStatusRequest) (*v1.GetStatusResponse, error) {
	return &v1.GetStatusResponse{Status: s.status()}, nil
}

func (s adminService) WatchStatus(ctx context.Context, r *v1.WatchStatusRequest, stream engramv1connect.AdminServiceWatchStatusServerStream) error {
	every := defaultInterval
	if r.Interval != nil {
		if every = r.Interval.AsDuration(); every < minInterval || every > maxInterval {
			return fault.New(fault.InvalidArgument, fault.InvalidField, "interval is %v; it must be in %v..%v", every, minInterval, maxInterval).In("interval")
		}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := stream.Send(&v1.WatchStatusResponse{Status: s.status()}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-s.h.leaving:
			return errLeaving
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s adminService) status() *v1.ServerStatus {
	st := s.h.engine.Status()
	out := &v1.ServerStatus{
		State: v1.ServerState(st.State) + v1.ServerState_SERVER_STATE_REPLAYING, Version: s.h.version, StartedAt: timestamppb.New(st.Started),
		Spaces: uint64(st.Spaces), ActiveSessions: uint64(st.Sessions), Pressure: float32(st.Pressure),
		ObservationsTotal: st.Totals.Observations, RejectionsTotal: st.Totals.Rejections, RefusalsTotal: st.Totals.Refusals, RecallsTotal: st.Totals.Recalls,
		Unindexed: uint64(st.Unindexed), Observations: uint64(max(0, st.Live)), MemoryBytes: st.Memory,
		Memory: memoryStatus(st.MemoryUse), DeadRows: uint64(st.Dead), IndexPolicies: indexPolicies(st.Policies),
		Journal: &v1.JournalStatus{
			Bytes: uint64(st.Journal.Bytes), Segments: uint32(st.Journal.Segments), DurablePosition: uint64(st.Journal.Durable),
			Commits: st.Journal.Syncs, DiskFreeBytes: st.Journal.DiskFree, Failure: st.Failure,
			DiskLevel: resourceLevel(st.Disk), DiskTotalBytes: st.Journal.DiskTotal,
		},
	}
	if st.ReplayTotal > 0 {
		out.Replay = &v1.ReplayStatus{Position: st.ReplayPosition, Total: st.ReplayTotal}
	}
	out.Checkpoint = checkpointStatus(st.Checkpoint)
	for l := range memory.Lane(memory.LaneCount) {
		q := st.Queue.Lanes[l]
		out.Lanes = append(out.Lanes, &v1.LaneStatus{
			Priority: priority(l), Depth: uint64(q.Depth), Capacity: uint64(q.Capacity.Items), Bytes: uint64(q.Bytes),
			CapacityBytes: uint64(q.Capacity.Bytes), Reserved: uint64(q.Reserved),
		})
	}
	for _, w := range st.Workers {
		out.Workers = append(out.Workers, &v1.WorkerStatus{
			WorkerId: uint32(w.ID), Utilization: float32(w.Utilization), Batches: w.Batches, Stolen: w.Stolen, Panics: w.Panics,
		})
	}
	return out
}

func checkpointStatus(c engine.CheckpointStatus) *v1.CheckpointStatus {
	out := &v1.CheckpointStatus{
		Catalog: c.Number, Position: c.Position, TailBytes: uint64(max(0, c.TailBytes)), Damage: c.Damage, Failure: c.Failure, AsleepSpaces: uint64(c.Asleep),
	}
	if c.Number > 0 {
		out.CreatedAt, out.Age = timestamppb.New(c.Created), durationpb.New(max(0, time.Since(c.Created)))
	}
	return out
}

func (s adminService) ListSessions(_ context.Context, r *v1.ListSessionsRequest) (*v1.ListSessionsResponse, error) {
	after, err := nameToken(r.PageToken)
	if err != nil {
		return nil, err
	}
	n := pageSize(r.PageSize)
	list := s.h.engine.Sessions().List(memory.SpaceID(r.Space), memory.SessionID(after), n+1)
	out := &v1.ListSessionsResponse{}
	for _, info := range list[:min(n, len(list))] {
		out.Sessions = append(out.Sessions, sessionInfo(info))
	}
	if len(list) > n {
		out.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(list[n-1].ID))
	}
	return out, nil
}

func (s adminService) CloseSession(ctx context.Context, r *v1.CloseSessionRequest) (*v1.CloseSessionResponse, error) {
	info, err := s.h.engine.CloseSession(ctx, memory.SessionID(r.SessionId))
	if err != nil {
		return nil, err
	}
	s.h.log.InfoContext(ctx, "session closed by an operator", "session", r.SessionId, "reason", r.Reason)
	return &v1.CloseSessionResponse{Session: sessionInfo(info)}, nil
}

func sessionInfo(i session.Info) *v1.SessionInfo {
	return &v1.SessionInfo{
		SessionId: string(i.ID), Space: string(i.Space), State: v1.SessionState(i.State), Attached: i.Attached, Priority: priority(i.Lane),
		NextSequence: uint64(i.Next), DurableSequence: uint64(i.Durable), VisibleSequence: uint64(i.Visible), Credits: credits(i.Credits),
		LastUsedAt: timestamp(i.LastUsed), Accepted: i.Accepted, Rejected: i.Counts.Rejected, Refused: i.Counts.Refused, Duplicates: i.Counts.Duplicates,
	}
}
