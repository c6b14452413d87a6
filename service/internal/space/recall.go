package space

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// Search widths.
const (
	defaultEffort = 160
	// maskedRows and maskedShare are when a filter is so selective that
	// scanning its survivors beats walking the graph past everything else.
	maskedRows  = 20_000
	maskedShare = 0.1
	// scanBlock is how many rows one kernel call compares.
	scanBlock = 256
)

// Question is a recall: what to look for, and among what.
type Question struct {
	Vector        []float32 // length = the space's dimension
	Limit         int       // ≥ 1
	MinSimilarity float32   // −Inf for none
	Filter        *filter.Predicate
	Effort        int  // ef; 0 is the default
	Exact         bool // compare with every row
	Exclude       memory.ObservationID
	Now           time.Time // expiry is judged at this moment
}

// Hit is one row that was found.
type Hit struct {
	Observation *memory.Observation // with its vector
	Similarity  float32
	Generation  memory.Generation
	CommittedAt int64
	InGraph     bool
}

// Answer is what a recall found, best first, all of one generation.
type Answer struct {
	Hits     []Hit
	Snapshot *Snapshot
	Scanned  int // rows compared by scanning
	Visited  int // rows compared on the walk through the graph
}

// scratch is one recall's working memory, pooled.
type scratch struct {
	top    topK
	near   topK // by code
	graph  hnsw.Scratch
	scores [scanBlock]float32
	rows   []uint32
	cue    cue
	found  []hnsw.Candidate
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

// search is one recall under way.
type search struct {
	*scratch
	snap   *Snapshot
	metric memory.Metric
	query  vector.Query
	q      *Question
	now    int64
	mask   *roaring.Bitmap // nil: every row is a candidate
	check  bool            // the mask is a superset: look at each row
	skip   uint32          // row not to return; noRow for none
	answer *Answer
}

const noRow = math.MaxUint32

// Recall answers q from the snapshot.
func (s *Space) Recall(snap *Snapshot, q *Question) (*Answer, error) {
	answer := &Answer{Snapshot: snap}
	if snap.rows == 0 {
		return answer, nil
	}
	if len(q.Vector) != snap.dim {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidDimension,
			"the cue has %d components; the dimension of space %q is %d", len(q.Vector), s.id, snap.dim)
	}
	metric := s.Settings().Metric
	r := search{
		scratch: scratches.Get().(*scratch), snap: snap, metric: metric,
		query: vector.NewQuery(metric, q.Vector), q: q, now: q.Now.UnixNano(), skip: noRow, answer: answer,
	}
	defer scratches.Put(r.scratch)
	defer runtime.KeepAlive(snap) // its bytes may be mapped
	if q.Exclude != "" {
		if row, ok := snap.rowOf(q.Exclude); ok {
			r.skip = row
		}
	}
	r.top.reset(min(q.Limit, snap.rows))
	r.run()
	for _, h := range r.top.sorted() {
		similarity := vector.Similarity(metric, h.score)
		if similarity < q.MinSimilarity {
			break
		}
		o, err := snap.observation(h.row)
		if err != nil {
			return nil, err
		}
		answer.Hits = append(answer.Hits, Hit{
			Observation: o, Similarity: similarity, Generation: snap.view.gen(h.row),
			CommittedAt: snap.view.commitTime(h.row), InGraph: h.graph,
		})
	}
	return answer, nil
}

// run fills r.top.
func (r *search) run() {
	graphRows := r.snap.indexed
	if r.snap.graph == nil || r.q.Exact {
		graphRows = 0
	}
	if r.q.Filter != nil && !r.q.Filter.Empty() {
		mask, exact, ok := r.snap.table.index.Candidates(r.q.Filter)
		r.check = !ok || !exact
		if ok {
			mask.RemoveRange(uint64(r.snap.rows), 1<<32)
			r.mask = mask
			if n := mask.GetCardinality(); n <= maskedRows || float64(n) < maskedShare*float64(r.snap.rows) {
				r.scanMask(mask)
				return
			}
		}
	}
	if graphRows > 0 && !r.walk(graphRows) {
		// The walk gave up before it had what was asked for: a filter or
		// deletions hide most of what it passed. Nothing is lost silently.
		r.top.reset(r.top.k)
		graphRows = 0
	}
	if r.mask != nil && graphRows == 0 {
		r.scanMask(r.mask)
		return
	}
	r.scan(r.scanCodes(graphRows, r.snap.rows), r.snap.rows)
}

// walk searches the graph; false when it gave up early.
func (r *search) walk(rows int) bool {
	ef := max(r.q.Effort, r.top.k)
	if r.q.Effort == 0 {
		ef = max(defaultEffort, 2*r.top.k)
	}
	query, coded := r.coded()
	found := r.snap.graph.Search(query, ef, func(row uint32) bool { return int(row) < rows && r.admits(row) }, &r.graph)
	r.answer.Visited = r.graph.Visits()
	complete := len(found) >= r.top.k || !r.graph.Exhausted()
	if coded != nil {
		found = r.rerank(found[:min(len(found), coded.reranked(r.top.k))])
	}
	for _, c := range found {
		r.top.push(hit{c.Row, c.Score, true})
	}
	return complete
}

// admits reports whether a row may be returned.
func (r *search) admits(row uint32) bool {
	if row == r.skip || !r.snap.view.alive(row, r.snap.Generation) {
		return false
	}
	if e := r.snap.view.expiry(row); e != 0 && e <= r.now {
		return false
	}
	if r.mask != nil && !r.mask.Contains(row) {
		return false
	}
	if !r.check {
		return true
	}
	o, err := memory.ParseRecord(r.snap.view.record(row))
	return err == nil && r.q.Filter.Match(o)
}

// scan compares with rows [from, to), block by block. A row is judged only
// when its score would matter.
func (r *search) scan(from, to int) {
	v, dim := r.snap.view, r.snap.dim
	for from < to {
		c, at := from>>chunkShift, from&chunkMask
		if v.records[c].erased() {
			from = min(to, (c+1)<<chunkShift)
			continue
		}
		n := min(to-from, scanBlock, chunkRows-at)
		scores := r.scores[:n]
		vector.ScoreRows(r.metric, r.query, v.vectors.Flat[c][at*dim:(at+n)*dim], v.invNorms[c][at:at+n], scores)
		r.keep(&r.top, func(i int) uint32 { return uint32(from + i) }, scores)
		from += n
	}
}

// scanMask compares with the rows of a mask.
func (r *search) scanMask(mask *roaring.Bitmap) {
	if r.scanMaskCodes(mask) {
		return
	}
	block := r.blockRows()
	for it := mask.ManyIterator(); ; {
		n := it.NextMany(block)
		if n == 0 {
			return
		}
		scores := r.scores[:n]
		r.snap.view.vectors.Score(r.metric, r.query, r.snap.view.invNorms, block[:n], scores)
		r.keep(&r.top, func(i int) uint32 { return block[i] }, scores)
	}
}

func (r *search) keep(top *topK, row func(int) uint32, scores []float32) {
	r.answer.Scanned += len(scores)
	floor, full := top.floor()
	for i := 0; i < len(scores); i++ {
		if full {
			if i += vector.AtLeast(scores[i:], floor); i == len(scores) {
				return
			}
		}
		if h := (hit{row: row(i), score: scores[i]}); r.admits(h.row) {
			top.push(h)
			floor, full = top.floor()
		}
	}
}
