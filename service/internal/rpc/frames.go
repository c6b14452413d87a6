package rpc

import (
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
)

// capabilities are what a client may rely on beyond the contract's core.
var capabilities = []string{"credits", "resume", "memory-stream", "as-of", "f16"}

func initAck(w engine.Welcome) *v1.InitAck {
	return &v1.InitAck{
		SessionId: string(w.ID), Resumed: w.Resumed, NextSequence: uint64(w.Next), DurableSequence: uint64(w.Durable),
		Capabilities: capabilities, Credits: credits(w.Credits), Dimension: uint32(w.Dimension), MaxBatchSize: uint32(w.MaxBatch),
	}
}

// frame translates an event of a session into its message. Custom events are
// messages already.
func frame(ev session.Event) any {
	switch e := ev.(type) {
	case session.Ack:
		return &v1.Ack{Status: v1.AckLevel(e.Level), ThroughSequence: uint64(e.Through), Generation: uint64(e.Generation), Credits: credits(e.Credits)}
	case session.Rejected:
		return rejected(e.Rejection)
	case session.Refusal:
		return &v1.Refusal{
			ExpectedSequence: uint64(e.Expected), Reason: string(e.Fault.Reason), Message: e.Fault.Message,
			RetryAfter: durationpb.New(e.Fault.RetryAfter), Credits: credits(e.Credits),
		}
	case session.Status:
		return &v1.SessionStatus{
			State: v1.SessionState(e.State), Cause: e.Cause, QueueDepth: uint64(max(0, e.QueueDepth)), QueueCapacity: uint64(max(0, e.QueueCapacity)),
			Pressure: e.Pressure, RetryAfter: durationpb.New(e.RetryAfter), SuggestedBatchSize: uint32(max(0, e.SuggestedBatch)), Credits: credits(e.Credits),
		}
	case session.GoAway:
		return &v1.GoAway{Reason: string(e.Reason), Resumable: e.Resumable, ResumeAfter: durationpb.New(e.ResumeAfter)}
	case session.Ended:
		return &v1.Closed{
			FinalSequence: uint64(e.Final), Accepted: e.Accepted, Rejected: e.Counts.Rejected, Refused: e.Counts.Refused, Duplicates: e.Counts.Duplicates,
		}
	case session.Custom:
		return e.Value
	}
	return nil
}

func rejected(r memory.Rejection) *v1.Rejection {
	return &v1.Rejection{Sequence: uint64(r.Sequence), ObservationId: string(r.ObservationID), Reason: r.Reason, Message: r.Message}
}

func observeResponse(m any) *v1.ObserveStreamResponse {
	switch f := m.(type) {
	case *v1.InitAck:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_InitAck{InitAck: f}}
	case *v1.Ack:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Ack{Ack: f}}
	case *v1.Rejection:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Rejection{Rejection: f}}
	case *v1.Refusal:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Refusal{Refusal: f}}
	case *v1.SessionStatus:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Status{Status: f}}
	case *v1.GoAway:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_GoAway{GoAway: f}}
	case *v1.Closed:
		return &v1.ObserveStreamResponse{Frame: &v1.ObserveStreamResponse_Closed{Closed: f}}
	}
	return nil
}

func memoryResponse(m any) *v1.MemoryStreamResponse {
	switch f := m.(type) {
	case *v1.InitAck:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_InitAck{InitAck: f}}
	case *v1.Ack:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Ack{Ack: f}}
	case *v1.Rejection:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Rejection{Rejection: f}}
	case *v1.Refusal:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Refusal{Refusal: f}}
	case *v1.SessionStatus:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Status{Status: f}}
	case *v1.GoAway:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_GoAway{GoAway: f}}
	case *v1.Closed:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Closed{Closed: f}}
	case *v1.StreamRecallResults:
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_RecallResults{RecallResults: f}}
	}
	return nil
}

func watchResponse(m any) *v1.WatchSessionResponse {
	switch f := m.(type) {
	case *v1.InitAck:
		return &v1.WatchSessionResponse{Frame: &v1.WatchSessionResponse_InitAck{InitAck: f}}
	case *v1.Ack:
		return &v1.WatchSessionResponse{Frame: &v1.WatchSessionResponse_Ack{Ack: f}}
	case *v1.Rejection:
		return &v1.WatchSessionResponse{Frame: &v1.WatchSessionResponse_Rejection{Rejection: f}}
	case *v1.SessionStatus:
		return &v1.WatchSessionResponse{Frame: &v1.WatchSessionResponse_Status{Status: f}}
	case *v1.GoAway:
		return &v1.WatchSessionResponse{Frame: &v1.WatchSessionResponse_GoAway{GoAway: f}}
	case *v1.Closed:
		return &v1.WatchSessionResponse{Frame: &v1.WatchSessionResponse_Closed{Closed: f}}
	}
	return nil
}
