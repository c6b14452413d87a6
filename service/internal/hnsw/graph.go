package hnsw

import (
	"math"
	"runtime"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/vector"
)

// Query is what rows are scored against.
type Query = vector.Query

// Scorer compares rows: higher is closer, and a NaN counts as farthest. It
// must be safe for concurrent use, must know every row from before it is
// inserted until the graph is dropped, and must give the same score each time.
type Scorer interface {
	// ScoreRows sets out[i] to the score of rows[i] against query; len(out)
	// is len(rows), at most 4M. Neither slice may be kept.
	ScoreRows(query Query, rows []uint32, out []float32)
	// QueryOf returns the query form of a stored row. It is valid, and
	// unchanged, for as long as the row is. The inserter alone asks for it: rows
	// may be compared among themselves by another measure than with what is
	// searched for, as long as it is symmetric.
	QueryOf(row uint32) Query
}

// Candidate is a row found, and its score.
type Candidate struct {
	Row   uint32
	Score float32
}

// MaxRow is the highest row number a graph can hold.
const MaxRow = math.MaxUint32 - 1

// Graph is the graph. One goroutine at a time may call Insert, InsertBatch,
// Narrow, Remove, RemovePausing, WriteImage and Check; every other method may be
// called at any time by anyone.
type Graph struct {
	cfg    Config
	scorer Scorer
	store  store

	// entry packs level+1 (upper half) and row (lower) of the entry point, so
	// that both change at once; 0 is the empty graph.
	entry  atomic.Uint64
	length atomic.Int64
	bound  atomic.Uint64 // highest row + 1: the size of a search's visited set
	// changes counts the moments from which on ways to the living may be closed
	// that were open before: a search across one of them may have missed some.
	changes atomic.Uint64

	// The inserter's own.
	inserting atomic.Bool
	work      workspace
	breadth   int // of the search for a new row's neighbours

	// owner is what keeps the memory of a loaded image. The collector does not
	// see the slices that lie in it, so each method keeps the graph alive, and
	// the owner with it, until it is done with them.
	owner any
}

// New makes an empty graph over the rows of s.
func New(cfg Config, s Scorer) *Graph {
	cfg = cfg.withDefaults()
	g := &Graph{cfg: cfg, scorer: s, breadth: cfg.EfConstruction}
	g.store.init(cfg.M)
	g.work.init(cfg)
	return g
}

// Config returns the configuration in force, defaults filled in.
func (g *Graph) Config() Config { return g.cfg }

// Len is the number of rows in the graph.
func (g *Graph) Len() int { return int(g.length.Load()) }

// Narrow makes the inserts that follow search with breadth ef instead of the
// configured EfConstruction, or with that again if ef is 0 or greater; never
// less than M. It is for times when rows come faster than they can be inserted:
// see the package's measurements for what it gains and costs. It is the
// inserter's own, and no image knows of it.
func (g *Graph) Narrow(ef int) {
	g.begin("Narrow")
	defer g.inserting.Store(false)
	if ef <= 0 {
		ef = g.cfg.EfConstruction
	}
	g.breadth = min(max(ef, g.cfg.M), g.cfg.EfConstruction)
}

// MaxLevel is the highest layer that has a row, −1 when there is none.
func (g *Graph) MaxLevel() int {
	_, level := g.entryPoint()
	return level
}

// Contains reports whether the row is in the graph.
func (g *Graph) Contains(row uint32) bool {
	defer runtime.KeepAlive(g)
	return g.store.level(row) >= 0
}

func (g *Graph) entryPoint() (row uint32, level int) {
	e := g.entry.Load()
	return uint32(e), int(e>>32) - 1
}

func (g *Graph) setEntryPoint(row uint32, level int) {
	g.entry.Store(uint64(level+1)<<32 | uint64(row))
}
