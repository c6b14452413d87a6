package engram_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

func Example() {
	ctx := context.Background()
	client, err := engram.Dial("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	s, err := client.OpenSession(ctx, "notes")
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"the kettle is in the red box", "the keys hang by the door"} {
		if _, err := s.Observe(ctx, engram.Observation{Content: text}); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := s.Close(ctx); err != nil { // everything is kept, and can be recalled
		log.Fatal(err)
	}
	found, err := client.Recall(ctx, "notes", engram.ByText("where is the kettle?"), engram.Limit(1))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range found.Results {
		fmt.Printf("%.2f %s\n", r.Similarity, r.Observation.Content)
	}
}

// A session says how it goes, and what was not kept.
func ExampleClient_OpenSession() {
	ctx := context.Background()
	client, err := engram.Dial("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	s, err := client.OpenSession(ctx, "vectors",
		engram.WithBatching(128, 1<<20, 5*time.Millisecond),
		engram.OnAck(func(level engram.Level, through, generation uint64) {
			if level == engram.Visible {
				log.Printf("%d can be recalled, at generation %d", through, generation)
			}
		}),
		engram.OnStatus(func(st engram.Status) { log.Printf("%s: %s", st.State, st.Cause) }),
	)
	if err != nil {
		log.Fatal(err)
	}
	v := make([]float32, 128)
	for i := range 10_000 {
		v[i%128]++ // copied by Observe
		if _, err := s.Observe(ctx, engram.Observation{ID: fmt.Sprint("row-", i), Vector: v}); err != nil {
			log.Fatal(err)
		}
	}
	summary, err := s.Close(ctx)
	var rejected *engram.RejectedError
	switch {
	case errors.As(err, &rejected):
		log.Printf("%d were not kept, the first since %s", len(rejected.Rejections), rejected.Rejections[0].Message)
	case err != nil:
		log.Fatalf("through %d everything is kept: %v", s.Stats().Durable, err)
	}
	log.Printf("%d kept", summary.Accepted)
}

// A Memory recalls on the stream it observes on, and sees all it has sent.
func ExampleClient_OpenMemory() {
	ctx := context.Background()
	client, err := engram.Dial("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	m, err := client.OpenMemory(ctx, "conversation")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.Observe(ctx, engram.Observation{Content: "I moved to Lisbon in May"}); err != nil {
		log.Fatal(err)
	}
	found, err := m.Recall(ctx, engram.ByText("where do I live?"), engram.Limit(3))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found.Results))
	if err := m.Detach(ctx); err != nil { // goes on later, with engram.Resume(m.ID())
		log.Fatal(err)
	}
}

func ExampleMatching() {
	ctx := context.Background()
	client, err := engram.Dial("127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	found, err := client.Recall(ctx, "wine", engram.ByText("a dry white"),
		engram.Matching(engram.Where(engram.Eq("metadata.country", "Italy"), engram.Between("metadata.points", 90, nil))))
	if engram.IsNotFound(err) {
		log.Fatal("there is no such space yet")
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found.Results))
}

func ExampleParseJSON() {
	o, err := engram.ParseJSON([]byte(`{"id":"n1","content":"the kettle is in the red box","metadata":{"room":"kitchen"}}`))
	if err != nil {
		log.Fatal(err)
	}
	o.Importance = 0.5
	data, err := json.Marshal(map[string]any{"importance": o.Importance, "room": o.Metadata["room"]})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(o.ID, string(data))
	// Output: n1 {"importance":0.5,"room":"kitchen"}
}
