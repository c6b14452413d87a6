package space

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// Mapped files go when the collector finds that nobody can reach them: whoever
// reads their bytes must be found. On real mappings, with a collector that never
// rests, a mistake is a fault.
func TestMappedBytesStayWhileTheyAreRead(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	store, err := checkpoint.Open(checkpoint.Options{FS: vfs.OS(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // only a lock
	d := &disk{store: store}
	w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8})
	n := 2*chunkRows + 300
	if testing.Short() {
		n = chunkRows + 300
	}
	w.observe(many("a", n)...)
	w.indexAll()
	w.checkpoint(t, d)

	stop := make(chan struct{})
	var readers sync.WaitGroup
	read := func(f func(r *rand.Rand) error) {
		readers.Add(1)
		go func() {
			defer readers.Done()
			r := rand.New(rand.NewPCG(1, 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(r); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	read(func(r *rand.Rand) error {
		sn, err := w.Pin(t.Context(), Consistency{})
		if err != nil {
			return err
		}
		_, err = w.Recall(sn, &Question{Vector: []float32{0, 0, float32(r.IntN(1000))}, Limit: 20, Now: w.clock.Now()})
		return err
	})
	read(func(r *rand.Rand) error {
		id := memory.ObservationID(fmt.Sprintf("a-%d", r.IntN(chunkRows)))
		if _, _, _, err := w.Get([]memory.ObservationID{id}); err != nil {
			return err
		}
		w.VectorOf(id)
		return nil
	})
	read(func(*rand.Rand) error { runtime.GC(); return nil })
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		if err := w.Wake(); err != nil {
			t.Fatal(err)
		}
		w.observe(replacing(obs(fmt.Sprintf("a-%d", round), 1, 1, float32(round))), obs(fmt.Sprintf("b-%d", round), 2, 2, 2))
		w.forget(memory.ObservationID(fmt.Sprintf("a-%d", 100*round+50)))
		w.indexAll()
		w.checkpoint(t, d)
		w.Sleep()
	}
	close(stop)
	readers.Wait()
	if err := w.Wake(); err != nil {
		t.Fatal(err)
	}
	if live := w.Stats().Live; live != int64(n) {
		t.Errorf("%d live observations of %d", live, n)
	}
}

// Waking reads a good deal of what is mapped, and keeps little of it. Many at
// once are interrupted in the midst.
func TestMappedBytesStayWhileASpaceWakes(t *testing.T) {
	stop := make(chan struct{})
	var collecting, waking sync.WaitGroup
	for range 2 {
		collecting.Add(1)
		go func() {
			defer collecting.Done()
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
				}
			}
		}()
	}
	for range 8 {
		store, err := checkpoint.Open(checkpoint.Options{FS: vfs.OS(), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close() //nolint:errcheck // only a lock
		w := newWorld(Settings{Dimension: 3, IndexThreshold: 1 << 30})
		w.observe(many("a", chunkRows-1)...)
		w.forget("a-5")
		w.checkpoint(t, &disk{store: store})
		waking.Add(1)
		go func() {
			defer waking.Done()
			for range 60 {
				if !w.Sleep() {
					t.Error("not asleep")
					return
				}
				if err := w.Wake(); err != nil {
					t.Error(err)
					return
				}
			}
			if n := len(w.ask(t, w.Current(), chunkRows, 1, 2, 3)); n != chunkRows-2 {
				t.Errorf("%d rows", n)
			}
		}()
	}
	waking.Wait()
	close(stop)
	collecting.Wait()
}
