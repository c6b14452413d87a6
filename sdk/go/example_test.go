package engram_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// The short way: one call to observe, one to recall.
func Example() {
	c, err := engram.Dial(server()) // "127.0.0.1:50051" where a server runs on its default port
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if _, err := c.Observe(ctx, "notes", []engram.Observation{{Content: "the kettle is in the red box"}}); err != nil {
		log.Fatal(err)
	}
	r, err := c.Recall(ctx, "notes", engram.ByText("where is the kettle?"), engram.Limit(1))
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range r.Results {
		fmt.Println(x.Observation.Content)
	}
	// Output: the kettle is in the red box
}

// The way for many: a session batches, obeys the server's credits, and comes
// back by itself when the connection breaks.
func ExampleClient_OpenSession() {
	c, err := engram.Dial(server()) // "127.0.0.1:50051" where a server runs on its default port
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := c.OpenSession(ctx, "sensors",
		engram.OnRejection(func(r engram.Rejection) { log.Printf("not kept: %s: %s", r.Reason, r.Message) }),
		engram.OnStatus(func(st engram.Status) { log.Printf("%s: %.0f %% full", st.State, 100*st.Pressure) }))
	if err != nil {
		log.Fatal(err)
	}
	for i := range 1000 {
		if _, err := s.Observe(ctx, engram.Observation{Vector: []float32{float32(i), 1, 2}}); err != nil {
			log.Fatal(err)
		}
	}
	if err := s.Flush(ctx); err != nil { // kept, and recall finds it
		log.Fatal(err)
	}
	end, err := s.Close(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(end.Accepted, "kept")
	// Output: 1000 kept
}

// Recalling on the stream one observes on: each recall sees everything that
// was observed before it.
func ExampleClient_OpenMemory() {
	c, err := engram.Dial(server()) // "127.0.0.1:50051" where a server runs on its default port
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	m, err := c.OpenMemory(ctx, "conversation")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.Observe(ctx, engram.Observation{Content: "my sister lives in Lyon", Metadata: map[string]any{"speaker": "user"}}); err != nil {
		log.Fatal(err)
	}
	r, err := m.Recall(ctx, engram.ByText("where does my sister live?"), engram.Matching(engram.Where(engram.Eq("metadata.speaker", "user"))))
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range r.Results {
		fmt.Println(x.Observation.Content)
	}
	if _, err := m.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: my sister lives in Lyon
}

// A process lets go of its session, and another one goes on with it.
func ExampleSession_Detach() {
	c, err := engram.Dial(server())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	s, err := c.OpenSession(ctx, "relay")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Observe(ctx, engram.Observation{Content: "the first lap is run"}); err != nil {
		log.Fatal(err)
	}
	if err := s.Detach(ctx); err != nil { // all of it is on stable storage
		log.Fatal(err)
	}
	next, err := c.OpenSession(ctx, "relay", engram.Resume(s.ID()))
	if err != nil {
		log.Fatal(err)
	}
	number, err := next.Observe(ctx, engram.Observation{Content: "the second lap is run"})
	if err != nil {
		log.Fatal(err)
	}
	end, err := next.Close(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(number, end.Accepted)
	// Output: 2 2
}

// What the server does not keep is told, with why; the rest is kept.
func ExampleRejectedError() {
	c, err := engram.Dial(server())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	s, err := c.OpenSession(ctx, "rejected")
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range []engram.Observation{
		{ID: "fine", Content: "all is well"},
		{ID: "wrong", Content: "too sure of itself", Confidence: engram.Confidence(1.5)},
	} {
		if _, err := s.Observe(ctx, o); err != nil {
			log.Fatal(err)
		}
	}
	var rejected *engram.RejectedError
	if err := s.Flush(ctx); errors.As(err, &rejected) {
		for _, r := range rejected.Rejections {
			fmt.Println(r.ID, r.Reason, r.Message)
		}
	}
	end, err := s.Close(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(end.Accepted, "kept,", end.Rejected, "not")
	// Output:
	// wrong INVALID_FIELD confidence is 1.5; it must be in 0..1
	// 1 kept, 1 not
}

// Reading one's own writes from elsewhere, narrowed by a filter.
func ExampleClient_Recall() {
	c, err := engram.Dial(server())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	kept, err := c.Observe(ctx, "wines", []engram.Observation{
		{ID: "soave", Vector: []float32{1, 0, 0}, Metadata: map[string]any{"country": "Italy"}},
		{ID: "merlot", Vector: []float32{0.9, 0.1, 0}, Metadata: map[string]any{"country": "France"}},
		{ID: "barolo", Vector: []float32{0, 1, 0}, Metadata: map[string]any{"country": "Italy"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	r, err := c.Recall(ctx, "wines", engram.ByVector([]float32{1, 0, 0}),
		engram.Matching(engram.Where(engram.Eq("metadata.country", "Italy"))), engram.AtLeast(kept.Generation))
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range r.Results {
		fmt.Printf("%s %.1f\n", x.Observation.ID, x.Similarity)
	}
	// Output:
	// soave 1.0
	// barolo 0.0
}
