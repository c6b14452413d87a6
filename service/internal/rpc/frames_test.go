package rpc

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
)

func TestFrames(t *testing.T) {
	grant := memory.Credits{Through: 90, Bytes: 1000}
	told := &v1.Credits{ThroughSequence: 90, Bytes: 1000}
	second := durationpb.New(time.Second)
	cases := []struct {
		name    string
		event   session.Event
		want    proto.Message
		watcher bool // told to WatchSession, too
	}{
		{"ack", session.Ack{Level: memory.AckVisible, Through: 7, Generation: 9, Credits: grant},
			&v1.Ack{Status: v1.AckLevel_ACK_LEVEL_VISIBLE, ThroughSequence: 7, Generation: 9, Credits: told}, true},
		{"rejection", session.Rejected{Rejection: memory.Rejection{Sequence: 3, ObservationID: "a", Reason: "TOO_LARGE", Message: "m"}},
			&v1.Rejection{Sequence: 3, ObservationId: "a", Reason: "TOO_LARGE", Message: "m"}, true},
		{"refusal", session.Refusal{Expected: 4, Fault: fault.Retry(fault.ResourceExhausted, fault.QueueFull, time.Second, "full"), Credits: grant},
			&v1.Refusal{ExpectedSequence: 4, Reason: "QUEUE_FULL", Message: "full", RetryAfter: second, Credits: told}, false},
		{"status", session.Status{State: session.Overloaded, Cause: "queue_items", QueueDepth: 5, QueueCapacity: 6, Pressure: .5, RetryAfter: time.Second, SuggestedBatch: 8, Credits: grant},
			&v1.SessionStatus{State: v1.SessionState_SESSION_STATE_OVERLOADED, Cause: "queue_items", QueueDepth: 5, QueueCapacity: 6, Pressure: .5, RetryAfter: second, SuggestedBatchSize: 8, Credits: told}, true},
		{"go away", session.GoAway{Reason: fault.Draining, Resumable: true, ResumeAfter: time.Second},
			&v1.GoAway{Reason: "DRAINING", Resumable: true, ResumeAfter: second}, true},
		{"closed", session.Ended{Final: 9, Accepted: 4, Counts: session.Counts{Rejected: 3, Refused: 2, Duplicates: 1}},
			&v1.Closed{FinalSequence: 9, Accepted: 4, Rejected: 3, Refused: 2, Duplicates: 1}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, ok := frame(c.event).(proto.Message)
			if !ok {
				t.Fatalf("no message for %#v", c.event)
			}
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
			for name, m := range map[string]proto.Message{"observe": observeResponse(got), "memory": memoryResponse(got)} {
				if inner(m) != got {
					t.Errorf("%s: the frame is not in its response %v", name, m)
				}
			}
			if w := watchResponse(got); (w != nil) != c.watcher || (w != nil && inner(w) != got) {
				t.Errorf("watchers get %v", w)
			}
		})
	}
	found := &v1.StreamRecallResults{RequestId: 1}
	if got := frame(session.Custom{Value: found}); inner(memoryResponse(got)) != proto.Message(found) {
		t.Errorf("results became %v", got)
	}
}

// inner is the one message set in the oneof of a response.
func inner(m proto.Message) proto.Message {
	r := m.ProtoReflect()
	if !r.IsValid() {
		return nil
	}
	fd := r.WhichOneof(r.Descriptor().Oneofs().ByName("frame"))
	if fd == nil {
		return nil
	}
	return r.Get(fd).Message().Interface()
}

// TestEnumsAgree: enums that are cast have the same names on both sides.
func TestEnumsAgree(t *testing.T) {
	for s := session.Active; s <= session.Closed; s++ {
		if got := v1.SessionState(s).String(); got != "SESSION_STATE_"+s.String() {
			t.Errorf("state %v is told as %s", s, got)
		}
	}
	for l := memory.AckAccepted; l < memory.AckLevelCount; l++ {
		if got := v1.AckLevel(l).String(); !strings.EqualFold(got, "ACK_LEVEL_"+l.String()) {
			t.Errorf("level %v is told as %s", l, got)
		}
	}
	for m, name := range map[memory.Metric]string{memory.MetricCosine: "COSINE", memory.MetricDot: "DOT", memory.MetricEuclidean: "EUCLIDEAN"} {
		if got := v1.Metric(m).String(); got != "METRIC_"+name {
			t.Errorf("metric %s is told as %s", name, got)
		}
	}
}

func TestPageTokens(t *testing.T) {
	for token, ok := range map[string]bool{"": true, "Z2FyZGVu": true, "Z2FyZGVu=": false, "R0FSREVO": false, "!": false, "Zw": false} {
		if got, err := nameToken(token); (err == nil) != ok {
			t.Errorf("token %q: %q, %v", token, got, err)
		}
	}
	if got := credits(memory.Credits{Bytes: -5}); got.Bytes != 0 {
		t.Errorf("%d bytes of credit", got.Bytes)
	}
}
