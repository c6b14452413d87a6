package interop

import (
	"fmt"
	"slices"
	"testing"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// What every client observes, and what it asks. The built-in embedder compares
// words and their pieces, so the answer shares some with the question.
const (
	wanted   = "kettle"
	question = "where is the red kettle?"
)

var facts = []struct{ id, content string }{
	{"ferry", "the ferry leaves at noon from the north pier"},
	{wanted, "the kettle is in the red box"},
	{"weather", "rain is expected over the hills tonight"},
}

// On a stream they are the first of a batch of the recommended size, and a
// recall brings as many as the default limit lets through.
const (
	batchSize    = 64
	defaultLimit = 10
)

// observations are the facts as the contract has them.
func observations() (list []*v1.Observation) {
	for _, f := range facts {
		list = append(list, &v1.Observation{Id: f.id, Content: f.content})
	}
	return list
}

// batch is the facts among observations that have nothing to do with the
// question.
func batch() []*v1.Observation {
	list := observations()
	for n := len(list) + 1; n <= batchSize; n++ {
		list = append(list, &v1.Observation{Id: fmt.Sprint("page-", n), Content: fmt.Sprintf("page %d of my novel about sailors", n)})
	}
	return list
}

// The frames of a session, in the order in which they are sent.
func initFrame(space string) *v1.ObserveStreamRequest {
	return &v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Init{Init: &v1.SessionInit{Space: space}}}
}

func batchFrame() *v1.ObserveStreamRequest {
	return &v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Observations{
		Observations: &v1.ObservationBatch{FirstSequence: 1, Observations: batch()},
	}}
}

func closeFrame() *v1.ObserveStreamRequest {
	return &v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Close{
		Close: &v1.SessionClose{Drain: true, LastSequence: batchSize},
	}}
}

// checkObserved looks at the answer to the facts in one call.
func checkObserved(t *testing.T, res *v1.ObserveResponse) {
	t.Helper()
	var want []string
	for _, f := range facts {
		want = append(want, f.id)
	}
	if !slices.Equal(res.GetObservationIds(), want) || len(res.GetRejections()) != 0 || res.GetDuplicates() != 0 {
		t.Fatalf("observe answers %v, want the ids %v", res, want)
	}
	if res.GetGeneration() != uint64(len(facts)) {
		t.Errorf("visible at generation %d after %d observations", res.GetGeneration(), len(facts))
	}
}

// checkRecalled looks at the answer to the question, in a space with so many
// observations.
func checkRecalled(t *testing.T, res *v1.RecallResponse, held int) {
	t.Helper()
	results := res.GetResults()
	if want := min(held, defaultLimit); len(results) != want {
		t.Fatalf("%d results, want %d: %v", len(results), want, res)
	}
	if first := results[0].GetObservation(); first.GetId() != wanted || first.GetContent() != facts[1].content {
		t.Errorf("first is %v, want %q", first, wanted)
	}
	if results[0].GetSimilarity() <= results[1].GetSimilarity() {
		t.Errorf("the first is as similar (%v) as the second (%v)", results[0].GetSimilarity(), results[1].GetSimilarity())
	}
	if got := res.GetSnapshot().GetGeneration(); got != uint64(held) {
		t.Errorf("recalled from generation %d, want %d", got, held)
	}
}

// checkSession looks at all that came back on a stream that sent the three
// frames above.
func checkSession(t *testing.T, frames []*v1.ObserveStreamResponse) {
	t.Helper()
	if len(frames) == 0 || frames[0].GetInitAck() == nil {
		t.Fatalf("the first frame is no init_ack: %v", frames)
	}
	first := frames[0].GetInitAck()
	if first.GetSessionId() == "" || first.GetResumed() || first.GetNextSequence() != 1 {
		t.Errorf("init_ack %v, want a new session at 1", first)
	}
	through := map[v1.AckLevel]uint64{}
	var closed *v1.Closed
	for _, f := range frames[1:] {
		switch {
		case closed != nil:
			t.Errorf("after closed: %v", f)
		case f.GetAck() != nil:
			a := f.GetAck()
			if a.GetThroughSequence() < through[a.GetStatus()] {
				t.Errorf("%v goes back to %d", a.GetStatus(), a.GetThroughSequence())
			}
			through[a.GetStatus()] = a.GetThroughSequence()
		case f.GetClosed() != nil:
			closed = f.GetClosed()
		case f.GetStatus() == nil: // rejections, refusals, go_away: nothing gives rise to one
			t.Errorf("unexpected frame: %v", f)
		}
	}
	const n = batchSize
	for _, level := range []v1.AckLevel{v1.AckLevel_ACK_LEVEL_DURABLE, v1.AckLevel_ACK_LEVEL_VISIBLE} {
		if through[level] != n {
			t.Errorf("%v through %d, want %d", level, through[level], n)
		}
	}
	if closed.GetFinalSequence() != n || closed.GetAccepted() != n || closed.GetRejected()+closed.GetRefused()+closed.GetDuplicates() != 0 {
		t.Errorf("closed %v, want %d accepted and nothing else", closed, n)
	}
}
