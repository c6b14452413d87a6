package engramtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/engramtest"
)

func dial(t *testing.T, s *engramtest.Server) (*engram.Client, context.Context) {
	t.Helper()
	c, err := engram.Dial(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c, ctx
}

func oneHot(i, dim int) []float32 {
	v := make([]float32, dim)
	for j := range v {
		v[j] = float32((i*31+j*17)%97) / 97
	}
	v[i%dim] += 3
	return v
}

// count returns how many observations a space holds, by listing them all.
func count(t *testing.T, ctx context.Context, c *engram.Client, space string) (n int, ids map[string]bool) {
	t.Helper()
	ids = map[string]bool{}
	for s, err := range c.List(ctx, space, 0, nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		ids[s.ID] = true
	}
	return n, ids
}

func TestSessionSurvivesRestartsWithoutLossOrDuplicates(t *testing.T) {
	for _, how := range []string{"restart", "kill"} {
		t.Run(how, func(t *testing.T) {
			s := engramtest.Start(t)
			c, ctx := dial(t, s)
			sess, err := c.OpenSession(ctx, "notes")
			if err != nil {
				t.Fatal(err)
			}
			const total = 6000
			for i := range total {
				if _, err := sess.Observe(ctx, engram.Observation{Vector: oneHot(i, 16), Metadata: map[string]any{"n": float64(i)}}); err != nil {
					t.Fatal(i, err)
				}
				if i == total/3 || i == 2*total/3 {
					if how == "kill" {
						s.Kill()
					}
					s.Restart(t)
				}
			}
			if err := sess.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			if n, ids := count(t, ctx, c, "notes"); n != total || len(ids) != total {
				t.Fatalf("%d observations with %d ids, want %d", n, len(ids), total)
			}
			end, err := sess.Close(ctx)
			if err != nil || end.FinalSequence != total || end.Accepted != total {
				t.Fatalf("%+v, %v", end, err)
			}
			if st := sess.Stats(); st.Reconnects < 1 || st.Durable != total {
				t.Fatalf("%+v", st)
			}
		})
	}
}

func TestRejectionsAreReturnedByFlush(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	var heard []engram.Rejection
	sess, err := c.OpenSession(ctx, "notes", engram.OnRejection(func(r engram.Rejection) { heard = append(heard, r) }))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []engram.Observation{{Content: "one"}, {Content: "two", Importance: 7}, {ID: "x", Content: "three"}, {ID: "x", Content: "other"}} {
		if _, err := sess.Observe(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	var rejected *engram.RejectedError
	if err := sess.Flush(ctx); !errors.As(err, &rejected) || len(rejected.Rejections) != 2 {
		t.Fatalf("flush: %v", err)
	}
	if r := rejected.Rejections; r[0].Reason != "INVALID_FIELD" || r[1].Reason != "ID_CONFLICT" || r[1].ID != "x" {
		t.Fatalf("%+v", r)
	}
	if err := sess.Flush(ctx); err != nil {
		t.Fatalf("a second flush: %v", err)
	}
	if end, err := sess.Close(ctx); err != nil || end.Accepted != 2 || end.Rejected != 2 || len(heard) != 2 {
		t.Fatalf("%+v, %v, %+v", end, err, heard)
	}
	if _, err := sess.Observe(ctx, engram.Observation{Content: "late"}); !errors.Is(err, engram.ErrClosed) {
		t.Fatalf("observe after close: %v", err)
	}
}

func TestMemoryRecallsWhatItJustObserved(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	m, err := c.OpenMemory(ctx, "notes")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		text := fmt.Sprintf("the %d. thing stands on shelf %c", i, 'a'+rune(i%26))
		if _, err := m.Observe(ctx, engram.Observation{ID: fmt.Sprintf("thing-%d", i), Content: text}); err != nil {
			t.Fatal(err)
		}
		r, err := m.Recall(ctx, engram.ByText(text), engram.Limit(1))
		if err != nil || len(r.Results) != 1 || r.Results[0].Observation.ID != fmt.Sprintf("thing-%d", i) {
			t.Fatalf("recall %d: %+v, %v", i, r, err)
		}
	}
	if _, err := m.Recall(ctx, engram.ByVector([]float32{1, 2})); engram.ReasonOf(err) != "INVALID_DIMENSION" {
		t.Fatalf("a bad cue: %v", err)
	}
	if _, err := m.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestTakeOverIsAnErrorOfTheFirst(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	first, err := c.OpenSession(ctx, "notes")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Observe(ctx, engram.Observation{Content: "by the first"}); err != nil {
		t.Fatal(err)
	}
	if err := first.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := c.OpenSession(ctx, "notes", engram.Resume(first.ID()))
	if err != nil {
		t.Fatal(err)
	}
	if end, err := first.Close(ctx); engram.ReasonOf(err) != "SESSION_TAKEN_OVER" {
		t.Fatalf("the first: %+v, %v", end, err)
	}
	if seq, err := second.Observe(ctx, engram.Observation{Content: "by the second"}); err != nil || seq != 2 {
		t.Fatal(seq, err)
	}
	if end, err := second.Close(ctx); err != nil || end.FinalSequence != 2 {
		t.Fatalf("%+v, %v", end, err)
	}
}

func TestUnaryCalls(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	if _, err := c.Recall(ctx, "nowhere", engram.ByText("x")); !engram.IsNotFound(err) || engram.ReasonOf(err) != "SPACE_NOT_FOUND" {
		t.Fatalf("recall from nowhere: %v", err)
	}
	o, err := c.Observe(ctx, "wine", []engram.Observation{
		{ID: "a", Content: "a dry white from the north", Metadata: map[string]any{"country": "Germany", "points": 88.0}},
		{ID: "b", Content: "a heavy red from the south", Metadata: map[string]any{"country": "Italy", "points": 92.0}},
		{ID: "c", Content: "a light red for summer", Metadata: map[string]any{"country": "Italy", "points": 81.0}},
	})
	if err != nil || o.Generation != 3 || len(o.IDs) != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	r, err := c.Recall(ctx, "wine", engram.ByText("red wine"), engram.Matching(engram.Where(engram.Eq("metadata.country", "Italy"), engram.Between("metadata.points", 90, nil))))
	if err != nil || len(r.Results) != 1 || r.Results[0].Observation.ID != "b" {
		t.Fatalf("%+v, %v", r, err)
	}
	n := 0
	for x, err := range c.RecallStream(ctx, "wine", engram.ByID("b"), engram.Limit(10)) {
		if err != nil || x.Observation.ID == "b" {
			t.Fatal(x, err)
		}
		n++
	}
	if n != 2 {
		t.Fatalf("%d near b, want 2", n)
	}
	since := uint64(1)
	watch, cancel := context.WithCancel(ctx)
	for x, err := range c.WatchSpace(watch, "wine", &since, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if x.ID == "c" {
			break
		}
	}
	cancel()
	if n, err := c.ForgetWhere(ctx, "wine", engram.Where(engram.Eq("metadata.country", "Italy"))); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	found, missing, err := c.Get(ctx, "wine", "a", "b")
	if err != nil || len(found) != 1 || len(missing) != 1 || len(found[0].Vector) != 384 {
		t.Fatalf("%+v, %v, %v", found, missing, err)
	}
	if _, created, err := c.CreateSpace(ctx, "vectors", engram.NewSpace{Dimension: 8, Metric: engram.Euclidean}); err != nil || !created {
		t.Fatal(created, err)
	}
	names := ""
	for sp, err := range c.ListSpaces(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		names += sp.ID + " "
	}
	if names != "vectors wine " {
		t.Fatalf("spaces: %q", names)
	}
	if n, err := c.DeleteSpace(ctx, "wine"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	st, err := c.Status(ctx)
	if err != nil || st.Spaces != 1 || st.ObservationsTotal != 3 {
		t.Fatalf("%+v, %v", st, err)
	}
}

// What is rejected needs no embedder, not even in a space that has none yet.
func TestOnlyARejectionInANewSpace(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	for _, o := range []engram.Observation{{Content: "x", Importance: 3}, {Content: strings.Repeat("x", 300<<10)}} {
		sess, err := c.OpenSession(ctx, "fresh")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sess.Observe(ctx, o); err != nil {
			t.Fatal(err)
		}
		if end, err := sess.Close(ctx); end.Rejected != 1 {
			t.Fatalf("%+v, %v", end, err)
		}
	}
}

// The whole way: many observations, a crash in their midst, and each of them is
// found afterwards by what it is.
func TestManyAreFoundAfterACrashInTheirMidst(t *testing.T) {
	s := engramtest.Start(t, engramtest.WithIndexThreshold(1000))
	c, ctx := dial(t, s)
	sess, err := c.OpenSession(ctx, "many")
	if err != nil {
		t.Fatal(err)
	}
	const total, dim = 10_000, 32
	rng := rand.New(rand.NewPCG(3, 4))
	vectors := make([][]float32, total)
	for i := range vectors {
		vectors[i] = make([]float32, dim)
		for j := range vectors[i] {
			vectors[i][j] = float32(rng.NormFloat64())
		}
		if _, err := sess.Observe(ctx, engram.Observation{ID: strconv.Itoa(i), Vector: vectors[i]}); err != nil {
			t.Fatal(i, err)
		}
		if i == total/2 {
			s.Kill()
			s.Restart(t)
		}
	}
	if err := sess.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < total; i += 97 {
		r, err := c.Recall(ctx, "many", engram.ByVector(vectors[i]), engram.AtLeast(sess.Generation()), engram.Exact(), engram.Limit(1))
		if err != nil || len(r.Results) != 1 || r.Results[0].Observation.ID != strconv.Itoa(i) {
			t.Fatalf("%d is not found: %+v, %v", i, r, err)
		}
	}
	if end, err := sess.Close(ctx); err != nil || end.Accepted != total || end.FinalSequence != total {
		t.Fatalf("%+v, %v", end, err)
	}
	if n, ids := count(t, ctx, c, "many"); n != total || len(ids) != total {
		t.Fatalf("%d observations with %d ids, want %d", n, len(ids), total)
	}
}

// A batch in a session may be sent again without harm; a gap is told.
func TestUnaryBatchesInASession(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	batch := func(from int) []engram.Observation {
		return []engram.Observation{{Content: fmt.Sprint("note ", from)}, {Content: fmt.Sprint("note ", from+1)}}
	}
	first, err := c.Observe(ctx, "notes", batch(1), engram.InSession("", 1))
	if err != nil || first.SessionID == "" || first.NextSequence != 3 {
		t.Fatalf("%+v, %v", first, err)
	}
	for range 2 { // the second time it is a retry
		if o, err := c.Observe(ctx, "notes", batch(3), engram.InSession(first.SessionID, 3)); err != nil || o.NextSequence != 5 {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	if n, _ := count(t, ctx, c, "notes"); n != 4 {
		t.Fatalf("%d observations, want 4", n)
	}
	var e *engram.Error
	if _, err := c.Observe(ctx, "notes", batch(9), engram.InSession(first.SessionID, 9)); !errors.As(err, &e) || e.Code != "aborted" {
		t.Fatalf("a gap: %v", err)
	}
}

func TestSpacesAndSessionsAreManaged(t *testing.T) {
	s := engramtest.Start(t)
	c, ctx := dial(t, s)
	sp, _, err := c.CreateSpace(ctx, "small", engram.NewSpace{Dimension: 2, Quotas: engram.Quotas{Observations: 2}, HistoryWindow: time.Minute})
	if err != nil || sp.Quotas.Observations != 2 || sp.HistoryWindow != time.Minute {
		t.Fatalf("%+v, %v", sp, err)
	}
	if _, _, err := c.CreateSpace(ctx, "small", engram.NewSpace{Dimension: 3}); !engram.IsConflict(err) {
		t.Fatalf("another dimension: %v", err)
	}
	pair := []engram.Observation{{Vector: []float32{1, 2}}, {Vector: []float32{2, 1}}}
	if _, err := c.Observe(ctx, "small", pair); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Observe(ctx, "small", pair); !engram.IsRefused(err) {
		t.Fatalf("above the quota: %v", err)
	}
	age := time.Hour
	sp, err = c.UpdateSpace(ctx, "small", engram.SpaceChange{Quotas: &engram.Quotas{Observations: 10}, MaxAge: &age})
	if err != nil || sp.Quotas.Observations != 10 || sp.MaxAge != age {
		t.Fatalf("%+v, %v", sp, err)
	}
	sess, err := c.OpenSession(ctx, "small")
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for x, err := range c.ListSessions(ctx, "small") {
		if err != nil || x.SessionId != sess.ID() {
			t.Fatal(x, err)
		}
		open++
	}
	if _, err := c.CloseSession(ctx, sess.ID(), "for the test"); err != nil || open != 1 {
		t.Fatal(open, err)
	}
	if end, err := sess.Close(ctx); engram.ReasonOf(err) != "SESSION_CLOSED" {
		t.Fatalf("a session that was closed by another: %+v, %v", end, err)
	}
	n := 0
	for st, err := range c.WatchStatus(ctx, 100*time.Millisecond) {
		if err != nil || st.Spaces != 1 {
			t.Fatal(st, err)
		}
		if n++; n == 2 {
			break
		}
	}
}
