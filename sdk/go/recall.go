package engram

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Cue is what to look for.
type Cue func(*v1.RecallRequest)

// ByText looks for what is near a text, in a space that has an embedder.
func ByText(text string) Cue {
	return func(r *v1.RecallRequest) { r.Cue = &v1.RecallRequest_Text{Text: text} }
}

// ByVector looks for what is near a vector of the space's dimension.
func ByVector(v []float32) Cue {
	return func(r *v1.RecallRequest) { r.Cue = &v1.RecallRequest_Embedding{Embedding: packed(v, false)} }
}

// ByID looks for what is near an observation, which is itself left out.
func ByID(id string) Cue {
	return func(r *v1.RecallRequest) { r.Cue = &v1.RecallRequest_ObservationId{ObservationId: id} }
}

// RecallOption changes a recall.
type RecallOption func(*v1.RecallRequest) error

// Limit is how many results there may be, 1..10,000; 10 without it.
func Limit(n int) RecallOption {
	return func(r *v1.RecallRequest) error { r.Limit = uint32(max(0, n)); return nil }
}

// MinSimilarity leaves out what is less similar.
func MinSimilarity(s float32) RecallOption {
	return func(r *v1.RecallRequest) error { r.MinSimilarity = &s; return nil }
}

// Matching recalls only what matches a filter.
func Matching(f Filter) RecallOption {
	return func(r *v1.RecallRequest) (err error) { r.Filter, err = f.toWire(); return err }
}

// AtLeast waits until a generation is visible: read your own writes.
func AtLeast(generation uint64) RecallOption {
	return consistency(&v1.Consistency{Mode: &v1.Consistency_AtLeast{AtLeast: generation}})
}

// At answers from exactly one generation.
func At(generation uint64) RecallOption {
	return consistency(&v1.Consistency{Mode: &v1.Consistency_At{At: generation}})
}

// AsOf answers from the last generation at or before a time.
func AsOf(t time.Time) RecallOption {
	return consistency(&v1.Consistency{Mode: &v1.Consistency_AsOf{AsOf: timestamppb.New(t)}})
}

func consistency(c *v1.Consistency) RecallOption {
	return func(r *v1.RecallRequest) error { r.Consistency = c; return nil }
}

// Effort is the width of the graph search: higher finds more, more slowly.
func Effort(ef int) RecallOption {
	return func(r *v1.RecallRequest) error { r.Effort = uint32(max(0, ef)); return nil }
}

// Exact compares with every observation.
func Exact() RecallOption { return func(r *v1.RecallRequest) error { r.Exact = true; return nil } }

// WithVectors has the results carry their vectors.
func WithVectors() RecallOption {
	return func(r *v1.RecallRequest) error {
		r.Include = &v1.Include{Content: true, Embedding: true, Metadata: true}
		return nil
	}
}

// Result is one observation that was found.
type Result struct {
	Observation Observation `json:"observation"`
	Similarity  float32     `json:"similarity"`
	Generation  uint64      `json:"generation"`
	InGraph     bool        `json:"in_graph"`
}

// Recall is the answer to a recall: results of one generation, best first.
type Recall struct {
	Results    []Result `json:"results"`
	Generation uint64   `json:"generation"`
	// Unindexed is how many rows were scanned since no graph holds them yet.
	Unindexed uint64        `json:"unindexed"`
	Staleness time.Duration `json:"staleness_ns"`
	Scanned   uint64        `json:"scanned"`
	Visited   uint64        `json:"visited"`
	Took      time.Duration `json:"took_ns"` // inside the server
	// CommittedAt is when Generation was committed.
	CommittedAt time.Time `json:"committed_at"`
	// Replaying says that the space is still reading its journal after a start:
	// what is not found may be there soon.
	Replaying bool `json:"replaying"`
	// Recoverable is the generation the space will have when replay is done.
	Recoverable uint64 `json:"recoverable_generation"`
}

func recallRequest(space string, cue Cue, opts []RecallOption) (*v1.RecallRequest, error) {
	r := &v1.RecallRequest{Space: space}
	if cue != nil {
		cue(r)
	}
	for _, f := range opts {
		if err := f(r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Recall finds the observations of a space nearest to a cue.
func (c *Client) Recall(ctx context.Context, space string, cue Cue, opts ...RecallOption) (*Recall, error) {
	r, err := recallRequest(space, cue, opts)
	if err != nil {
		return nil, err
	}
	m, err := c.memory.Recall(ctx, r)
	if err != nil {
		return nil, fromWire(err)
	}
	return recallOf(m.Results, m.Snapshot, m.Stats), nil
}

func recallOf(list []*v1.RecallResult, s *v1.Snapshot, st *v1.RecallStats) *Recall {
	return &Recall{
		Results: resultsOf(list), Generation: s.GetGeneration(), Unindexed: s.GetUnindexed(), Staleness: s.GetStaleness().AsDuration(),
		Scanned: st.GetScanned(), Visited: st.GetVisited(), Took: st.GetTook().AsDuration(),
		CommittedAt: moment(s.GetCommittedAt()), Replaying: s.GetReplaying(), Recoverable: s.GetRecoverableGeneration(),
	}
}

func resultsOf(list []*v1.RecallResult) []Result {
	out := make([]Result, len(list))
	for i, r := range list {
		out[i] = Result{Observation: fromWireObservation(r.Observation), Similarity: r.Similarity, Generation: r.Generation, InGraph: r.InGraph}
	}
	return out
}

// RecallStream is Recall, with the results as they come. Breaking off the loop
// ends the call.
func (c *Client) RecallStream(ctx context.Context, space string, cue Cue, opts ...RecallOption) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		r, err := recallRequest(space, cue, opts)
		if err != nil {
			yield(Result{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.memory.RecallStream(ctx, &v1.RecallStreamRequest{Recall: r})
		if err != nil {
			yield(Result{}, fromWire(err))
			return
		}
		defer s.Close() //nolint:errcheck // ended by then, or broken off
		for {
			m, err := s.Receive()
			if ended(err) {
				return
			}
			if err != nil {
				yield(Result{}, fromWire(err))
				return
			}
			for _, x := range resultsOf(m.Results) {
				if !yield(x, nil) {
					return
				}
			}
		}
	}
}
