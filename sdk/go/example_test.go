package engram_test

import (
	"context"
	"fmt"
	"log"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// The short way: one call to observe, one to recall.
func Example() {
	c, err := engram.Dial("127.0.0.1:50051")
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
}

// The way for many: a session batches, obeys the server's credits, and comes
// back by itself when the connection breaks.
func ExampleClient_OpenSession() {
	c, err := engram.Dial("127.0.0.1:50051")
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
	fmt.Println(end.Accepted)
}

// Recalling on the stream one observes on: each recall sees everything that
// was observed before it.
func ExampleClient_OpenMemory() {
	c, err := engram.Dial("127.0.0.1:50051")
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
	fmt.Println(len(r.Results))
	if _, err := m.Close(ctx); err != nil {
		log.Fatal(err)
	}
}
