package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// writeBatch is how many observations a batch has, as under a busy session.
const writeBatch = 256

// contender is the project's own engine: one space, driven as a worker and an
// index worker of a server do, with all its locks in place.
type contender struct {
	*task
	space  *space.Space
	metric memory.Metric
	base   []float32
	query  []float32
	truth  []uint32
	ef     int
	seq    memory.Sequence
	// recalling is how many recalls are under way; indexing gives way to them.
	recalling atomic.Int32
}

// child is one measurement of the own engine, printed as JSON.
func child(args []string) error {
	t, err := parseTask(args)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	c := &contender{task: t, metric: memory.MetricCosine}
	if t.metric == "l2" {
		c.metric = memory.MetricEuclidean
	}
	if c.base, err = mapped[float32](t.files.base); err != nil {
		return err
	}
	if c.query, err = mapped[float32](t.files.query); err != nil {
		return err
	}
	if c.truth, err = mapped[uint32](t.files.truth); err != nil {
		return err
	}
	c.space = space.New(space.Settings{
		ID: "bench", Incarnation: 1, Dimension: t.dim, Metric: c.metric, CreatedAt: time.Now(), History: 5 * time.Minute,
		IndexThreshold: 0, M: edges, EfConstruction: efConstruction,
	}, clock.System{})

	var f figures
	before, began := ownMemory(), ownCPU()
	if err := profiled(t.insertProfile, func() error { return c.insert(0, t.rows) }); err != nil {
		return err
	}
	f.Inserts = float64(t.rows) / (ownCPU() - began)
	f.Bytes = (ownMemory() - before) / float64(t.rows)
	if err := profiled(t.queriesProfile, func() (err error) { f.Points, err = c.sweep(); return }); err != nil {
		return err
	}
	if t.extra > 0 {
		runtime.GOMAXPROCS(2)
		i, err := c.ingest()
		if err != nil {
			return err
		}
		f.Ingest = []ingest{i}
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// insert takes rows [from, to) the whole way into the graph.
func (c *contender) insert(from, to int) error {
	for at := from; at < to; at += writeBatch {
		if err := c.write(at, min(at+writeBatch, to)); err != nil {
			return err
		}
		c.index(c.piece)
	}
	c.index(1)
	return nil
}

// write makes rows [from, to) visible, as a worker does.
func (c *contender) write(from, to int) error {
	entries := make([]memory.Entry, 0, writeBatch)
	for r := from; r < to; r++ {
		o := &memory.Observation{Vector: c.base[r*c.dim : (r+1)*c.dim], Encoding: memory.EncodingValues}
		var err error
		if o.Digest, err = memory.DigestOf(o); err != nil {
			return err
		}
		c.seq++
		entries = append(entries, memory.Entry{Incarnation: 1, Sequence: c.seq, Observation: o})
	}
	b := c.space.Prepare(entries, nil)
	if b.Rows() != to-from {
		return fmt.Errorf("rows %d to %d made %d rows", from, to, b.Rows())
	}
	b.Release() // as after the journal has it
	c.space.Begin(b)
	c.space.Apply(b, b.Rows())
	c.space.Publish(b)
	return nil
}

// index moves rows into the graph, as an index worker does, until fewer than
// least wait.
func (c *contender) index(least int) {
	for c.space.Current().Unindexed() >= max(1, least) {
		c.space.Index(c.piece, c.giveWay)
	}
}

func (c *contender) giveWay() bool {
	if c.recalling.Load() > 0 {
		runtime.Gosched()
	}
	return true
}

// recall answers query i and counts how many of the true neighbours it has.
func (c *contender) recall(i int) (int, error) {
	c.recalling.Add(1)
	defer c.recalling.Add(-1)
	a, err := c.space.Recall(c.space.Current(), &space.Question{
		Vector: c.query[i*c.dim : (i+1)*c.dim], Limit: nearest, Effort: c.ef, MinSimilarity: float32(math.Inf(-1)), Now: time.Now(),
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, h := range a.Hits {
		if slices.Contains(c.truth[i*nearest:(i+1)*nearest], uint32(h.Generation-1)) { //nolint:gosec // generations count rows here
			n++
		}
	}
	return n, nil
}

func (c *contender) sweep() (points []point, err error) {
	best := 0
	for _, c.ef = range widths {
		hits, asked, used, began := 0, 0, 0.0, ownCPU()
		for used < pointSeconds {
			for i := range c.queries {
				n, err := c.recall(i)
				if err != nil {
					return nil, err
				}
				hits += n
			}
			asked += c.queries
			used = ownCPU() - began
		}
		p := point{Ef: c.ef, Recall: float64(hits) / float64(asked*nearest), QPS: float64(asked) / used}
		points = append(points, p)
		if p.Recall >= .95 && best == 0 {
			best = c.ef
		}
		if p.Recall >= .995 {
			break
		}
	}
	if best != 0 {
		c.ef = best
	}
	return points, nil
}

// ingest lets one goroutine write and index as fast as it can, while this one
// recalls, one at a time, at most one each pause.
func (c *contender) ingest() (ingest, error) {
	var wg sync.WaitGroup
	var done atomic.Bool
	var failed error
	var rate float64
	wg.Go(func() {
		defer done.Store(true)
		at, began := c.rows, time.Now()
		for at < c.rows+c.extra && time.Since(began) < ingestSeconds*time.Second {
			to := min(at+writeBatch, c.rows+c.extra)
			if failed = c.write(at, to); failed != nil {
				return
			}
			at = to
			c.index(c.piece)
		}
		c.index(1) // to the end: every contestant's rows are in its graph
		rate = float64(at-c.rows) / time.Since(began).Seconds()
	})
	var times []float64
	var err error
	for i, due := 0, time.Now(); !done.Load() && err == nil; i++ {
		began := time.Now()
		_, err = c.recall(i % c.queries)
		now := time.Now()
		times = append(times, float64(now.Sub(began).Microseconds())/1000)
		if due = due.Add(pause); due.Before(now) {
			due = now
		}
		time.Sleep(time.Until(due))
	}
	wg.Wait()
	if failed != nil {
		err = failed
	}
	if err != nil || len(times) == 0 {
		return ingest{}, err
	}
	slices.Sort(times)
	return ingest{
		How: fmt.Sprintf("visible in batches of %d, indexed in pieces of %d by the same thread", writeBatch, c.piece), Rate: rate,
		P50: times[len(times)/2], P99: times[len(times)*99/100], Recalls: len(times),
	}, nil
}

func profiled(path string, run func() error) error {
	if path == "" {
		return run()
	}
	f, err := os.Create(path) //nolint:gosec // where the caller wants it
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return run()
}

// mapped is a file of numbers; its pages are not counted as own memory.
func mapped[T float32 | uint32](path string) ([]T, error) {
	f, err := os.Open(path) //nolint:gosec // one of ours
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4), nil
}

// ownCPU is the processor time of this process in seconds, user and system.
func ownCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// ownMemory is what this process holds of memory that is not a file's.
func ownMemory() (sum float64) {
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		var kb float64
		if name == "RssAnon" || name == "RssShmem" {
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				sum += 1024 * kb
			}
		}
	}
	return sum
}
