package space

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

const churnDim = 8

// churned is a space that is written, indexed, recalled and checkpointed at the
// same time. lease stands for the worker pool's: who holds it holds the space.
type churned struct {
	*world
	lease sync.Mutex
	disk  *disk
	book  *ledger

	done    atomic.Bool // the writer has ended: the others are to
	recalls atomic.Int64
	slept   atomic.Int64
}

func (c *churned) vector(rng *rand.Rand) []float32 {
	v := make([]float32, churnDim)
	for i := range v {
		v[i] = float32(rng.NormFloat64()) + float32(3*rng.IntN(3))
	}
	return v
}

// write makes batches of new, replaced and forgotten rows.
func (c *churned) write(rng *rand.Rand, batches, size int, stays bool) error {
	for range batches {
		var batch []*memory.Observation
		for range size {
			batch = append(batch, c.book.fresh("", stays, c.vector(rng)))
		}
		if !stays {
			for _, id := range c.book.some(size/4, rng.IntN) {
				batch = append(batch, c.book.fresh(string(id), false, c.vector(rng)))
			}
		}
		if err := c.held(func() error {
			outcomes := c.observe(batch...)
			for i, o := range outcomes {
				if o.Generation == 0 || o.Rejection != nil {
					return fmt.Errorf("%q was not kept: %+v", batch[i].ID, o)
				}
			}
			c.book.kept(batch, outcomes)
			return nil
		}); err != nil {
			return err
		}
		if stays {
			continue
		}
		if err := c.held(func() error {
			ids := c.book.some(size, rng.IntN)
			c.forget(ids...)
			c.book.gone(ids)
			return nil
		}); err != nil {
			return err
		}
		c.clock.Advance(10 * time.Second) // what was superseded long ago may be erased
	}
	return nil
}

// held does something as a worker does: awake, and alone.
func (c *churned) held(do func() error) error {
	c.lease.Lock()
	defer c.lease.Unlock()
	if err := c.Wake(); err != nil {
		return err
	}
	return do()
}

// index moves rows into the graph until the writer is done and nothing waits.
func (c *churned) index(rng *rand.Rand) error {
	for !c.done.Load() || c.WantsIndexing() {
		n, enough := 0, 1+rng.IntN(4000)
		c.Index(500, func() bool { n++; return n < enough }) // broken off now and then
		if n == 0 {
			select { // nothing waits: until somebody writes, or the end
			case <-c.Current().Next():
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

// save checkpoints as the engine does: the lease is not held while files are
// written. Then the space falls asleep, if nobody wrote meanwhile.
func (c *churned) save(*rand.Rand) error {
	for last := false; !last; {
		last = c.done.Load()
		if err := c.saveOnce(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		c.lease.Lock()
		if c.disk.frames == len(c.frames) && c.Sleep() {
			c.slept.Add(1)
		}
		c.lease.Unlock()
	}
	return nil
}

func (c *churned) saveOnce() error {
	var state *Capture
	frames := 0
	if err := c.held(func() error {
		frames = len(c.frames)
		if state = c.Capture(uint64(frames), false); state == nil {
			return errors.New("no capture")
		}
		return nil
	}); err != nil {
		return err
	}
	files := &oneFile{store: c.disk.store}
	e, err := state.Write(files)
	if err == nil {
		err = files.finish()
	}
	if err == nil {
		_, err = c.disk.store.Commit(checkpoint.Catalog{Spaces: []checkpoint.Entry{e}})
	}
	if err != nil {
		state.Abandon()
		return err
	}
	return c.held(func() error {
		c.disk.frames = frames
		return errors.Join(state.Install(c.disk.store, e), c.Check())
	})
}

// recall asks, of now and of before, and checks every answer. A search wide
// enough finds each row that stays, whatever happens around it.
func (c *churned) recall(rng *rand.Rand) error {
	stays := c.book.steady()
	for !c.done.Load() || c.recalls.Load() < 100 {
		n := c.recalls.Add(1)
		began := c.clock.Now()
		p := c.book.past()
		at := Consistency{}
		if n%3 == 0 {
			if g := c.Current().Generation; g >= memory.Generation(40+len(stays)) { // they came first
				at = Consistency{Mode: At, Generation: g - memory.Generation(rng.IntN(40))}
			}
		}
		of := stays[rng.IntN(len(stays))]
		cue := of.vector
		wide := n%4 == 0
		if n%5 == 0 { // a row where it has just been replaced
			if v, g := c.book.replacedLately(rng.IntN); v != nil {
				cue, wide, at = v, false, Consistency{Mode: At, Generation: g}
			}
		}
		sn, err := c.Pin(context.Background(), at)
		if f := fault.Of(err); err != nil && f.Reason == fault.GenerationExpired && c.clock.Now().Sub(began) > c.Settings().History/2 {
			continue // this goroutine stood still while minutes went by
		}
		if err != nil {
			return err
		}
		q := &Question{Vector: cue, Limit: 10, MinSimilarity: float32(math.Inf(-1)), Now: c.clock.Now(), Exact: n%16 == 0}
		if wide {
			q.Effort = 10_000
		}
		a, err := c.Recall(sn, q)
		if err != nil {
			return err
		}
		if err := c.book.check(sn, q.Vector, a.Hits, p); err != nil {
			return fmt.Errorf("recall %d, exact %v, of generation %d: %w", n, q.Exact, sn.Generation, err)
		}
		if len(a.Hits) < 10 {
			return fmt.Errorf("recall %d finds %d of %d rows and more", n, len(a.Hits), len(stays))
		}
		if found := a.Hits[0].Observation.ID == of.id; !found && (wide || q.Exact && &cue[0] == &of.vector[0]) {
			return fmt.Errorf("recall %d does not find %q, which stays, but %q first", n, of.id, a.Hits[0].Observation.ID)
		}
	}
	return nil
}

// TestChurnBeside writes, replaces, forgets, indexes, recalls, checkpoints and
// puts to sleep at the same time, and opens the space anew in between.
func TestChurnBeside(t *testing.T) {
	rounds, batches, size := 4, 40, 24
	if testing.Short() || raceDetector {
		rounds, batches, size = 2, 20, 16
	}
	c := &churned{
		world: newWorld(Settings{Dimension: churnDim, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8, EfConstruction: 40}),
		disk:  newDisk(t), book: newLedger(),
	}
	rng := rand.New(rand.NewPCG(5, 5))
	if err := c.write(rng, 20, size, true); err != nil {
		t.Fatal(err)
	}
	c.indexAll()
	for round := range rounds {
		c.done.Store(false)
		c.recalls.Store(0)
		var wg sync.WaitGroup
		beside := func(what string, seed uint64, do func(*rand.Rand) error) {
			wg.Go(func() {
				if err := do(rand.New(rand.NewPCG(uint64(round), seed))); err != nil {
					t.Errorf("round %d: %s: %v", round, what, err)
				}
			})
		}
		beside("index", 1, c.index)
		beside("checkpoint", 2, c.save)
		beside("recall", 3, c.recall)
		beside("recall", 4, c.recall)
		if err := c.write(rng, batches, size, false); err != nil {
			t.Errorf("round %d: write: %v", round, err)
		}
		c.done.Store(true)
		wg.Wait()
		t.Logf("round %d: %d recalls, slept %d times, %d rows, %d of them live", round, c.recalls.Load(), c.slept.Load(), c.Current().Rows(), c.Stats().Live)
		if t.Failed() {
			return
		}
		c.fallAsleep(t)
		c.everythingIsThere(t)
		c.world = c.restored(t, c.disk)
		c.everythingIsThere(t)
	}
}

// fallAsleep puts the space to sleep beside recalls, which wake it again.
func (c *churned) fallAsleep(t *testing.T) {
	t.Helper()
	c.recalls.Store(50) // of a hundred
	var wg sync.WaitGroup
	for seed := range uint64(2) {
		wg.Go(func() {
			if err := c.recall(rand.New(rand.NewPCG(seed, 7))); err != nil {
				t.Errorf("recall while it falls asleep: %v", err)
			}
		})
	}
	defer wg.Wait()
	for range 3 {
		if err := c.saveOnce(); err != nil {
			t.Fatal(err)
		}
		c.indexAll() // a graph that has hardly grown is not written, and lacks rows when it wakes
		c.lease.Lock()
		slept := c.Sleep()
		c.lease.Unlock()
		if !slept {
			t.Fatal("the space does not fall asleep although nothing has changed")
		}
	}
}

// everythingIsThere looks for each live row by its vector, and for all of them
// at once.
func (c *churned) everythingIsThere(t *testing.T) {
	t.Helper()
	if err := c.Wake(); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	sn, p := c.Current(), c.book.past()
	if got := c.Stats().Live; int(got) != len(c.book.live) {
		t.Fatalf("%d rows are live, want %d", got, len(c.book.live))
	}
	step := 1
	if raceDetector {
		step = 7
	}
	for i := 0; i < len(c.book.live); i += step {
		v := c.book.now[c.book.live[i]]
		hits := c.question(t, sn, &Question{Vector: v.vector, Limit: 3, Effort: 10_000})
		if err := c.book.check(sn, v.vector, hits, p); err != nil {
			t.Fatal(err)
		}
		if hits[0].Observation.ID != v.id {
			t.Fatalf("%q is not found, but %q", v.id, hits[0].Observation.ID)
		}
	}
	all := c.question(t, sn, &Question{Vector: make([]float32, churnDim), Limit: 10_000, Effort: 10_000})
	if err := c.book.check(sn, make([]float32, churnDim), all, p); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(c.book.live) {
		t.Fatalf("a recall of everything finds %d of %d rows", len(all), len(c.book.live))
	}
}
