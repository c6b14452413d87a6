package space

import (
	"github.com/engram-stream/engram/service/internal/memory"
)

// coding is codes on their way to being used, or on trial again.
type coding struct {
	fresh *codes // nil while those that are in use are on trial
	trial *trial
	at    int // rows, from the first, that the trial has seen
}

// wantsCode reports whether codes of a kind are to be made for the rows of a
// snapshot, or looked at again.
func (t *table) wantsCode(kind codeKind, sn *Snapshot) bool {
	if t.frugal.Load() {
		return false
	}
	if sn.graph == nil {
		// What is scanned alone needs one kind: wide codes if the others are
		// of no use.
		if sn.rows < scannedRows || kind == wideKind && (t.unfit[signKind].Load() == 0 || t.codes[signKind].Load() != nil) {
			return false
		}
	} else if sn.rows < codeRows {
		return false
	}
	if kind == signKind && sn.dim < leastSigns {
		return false
	}
	c := t.codes[kind].Load()
	if c == nil {
		return int64(sn.rows) >= codeGrowth*t.unfit[kind].Load()
	}
	return sn.rows >= codeGrowth*c.fitted || sn.graph == nil && sn.rows-c.rows >= codeLag
}

// leastSigns is how many components it takes for their signs to say much.
const leastSigns = 32

// wantsCodes reports whether there is anything to do to the codes.
func (t *table) wantsCodes(sn *Snapshot) bool {
	for kind := range codeKinds {
		if t.wantsCode(kind, sn) {
			return true
		}
	}
	return false
}

// makeCodes goes on making codes for all rows, or checking those there are, for
// as long as yield lets it. Until they are complete all is compared as before.
// table.indexing is held.
func (t *table) makeCodes(sn *Snapshot, metric memory.Metric, yield func() bool) {
	for kind := range codeKinds {
		// The second round makes anew what was found wanting in the first.
		for range 2 {
			if !t.wantsCode(kind, sn) {
				break
			}
			if !t.makeKind(kind, sn, metric, yield) {
				return
			}
		}
	}
}

// makeKind is makeCodes for one kind; false when it was told to stop.
func (t *table) makeKind(kind codeKind, sn *Snapshot, metric memory.Metric, yield func() bool) (done bool) {
	used, at := t.codes[kind].Load(), &t.coming[kind]
	if *at == nil {
		if used != nil && sn.rows < codeGrowth*used.fitted {
			return t.codeThrough(kind, sn, sn.rows, yield)
		}
		c := &coding{trial: newTrial(kind, metric, sn)}
		if used == nil {
			if c.fresh = fitCodes(kind, metric, sn); c.fresh == nil {
				t.unfit[kind].Store(int64(sn.rows))
				return true
			}
		}
		*at = c
	}
	c := *at
	for c.at < sn.rows {
		codes := c.fresh
		if codes == nil {
			codes = used
		}
		end := min(sn.rows, c.at+codePiece)
		if codes.rows < end {
			codes = codes.grown(sn.view, sn.dim, end)
			if c.fresh != nil {
				c.fresh = codes
			} else {
				used = codes
				t.codes[kind].Store(used)
			}
		}
		c.trial.see(sn.view, codes, c.at, end)
		c.at = end
		if !yield() {
			return false
		}
	}
	t.decide(kind, sn)
	return true
}

// decide puts codes in use that passed their trial. Those that were in use and
// do not any more stay so until others are fitted, or none can be.
func (t *table) decide(kind codeKind, sn *Snapshot) {
	c := t.coming[kind]
	t.coming[kind] = nil
	passed := c.fresh
	if passed == nil {
		passed = t.codes[kind].Load()
	}
	width, recall := c.trial.verdict(sn.view)
	switch {
	case width > 0:
		n := *passed
		n.width, n.recall, n.fitted = width, recall, sn.rows
		t.codes[kind].Store(&n)
		t.unfit[kind].Store(0)
		if kind == signKind && sn.graph == nil {
			t.codes[wideKind].Store(nil) // these were in their stead
		}
	case c.fresh == nil:
		if fresh := fitCodes(kind, c.trial.metric, sn); fresh != nil {
			t.coming[kind] = &coding{fresh: fresh, trial: newTrial(kind, c.trial.metric, sn)}
			return
		}
		fallthrough
	default:
		t.unfit[kind].Store(int64(sn.rows))
		t.codes[kind].Store(nil)
	}
}

// codeThrough gives codes in use to rows that came since; false if it was told
// to stop.
func (t *table) codeThrough(kind codeKind, sn *Snapshot, end int, yield func() bool) bool {
	c := t.codes[kind].Load()
	if c == nil {
		return true
	}
	for c.rows < end {
		c = c.grown(sn.view, sn.dim, min(end, c.rows+codePiece))
		t.codes[kind].Store(c)
		if yield != nil && !yield() {
			return false
		}
	}
	return true
}

// fitCodes fits codes to rows spread evenly over the snapshot; nil if they find
// too little even among these.
func fitCodes(kind codeKind, metric memory.Metric, sn *Snapshot) *codes {
	v, dim := sn.view, sn.dim
	sample := make([]float32, 0, codeRows*dim)
	rows := make([]uint32, 0, codeRows)
	for i := range codeRows {
		row := uint32(uint64(i) * uint64(sn.rows) / codeRows)
		if v.emptied(row) || metric == memory.MetricCosine && v.invNorm(row) == 0 {
			continue
		}
		rows = append(rows, row)
		sample = append(sample, v.vec(row, dim)...)
	}
	if len(rows) < codeRows/2 {
		return nil // mostly erased: what is left is not worth a code
	}
	c := newCodes(kind, metric, dim, sample)
	of := *c
	of.addChunk()
	for i, row := range rows {
		of.encode(uint32(i), v.vec(row, dim), v.invNorm(row))
	}
	tr := newTrial(kind, metric, sn)
	for from := 0; from < len(rows); from += scanBlock {
		tr.seeRows(v, &of, rows[from:min(from+scanBlock, len(rows))], from)
	}
	if width, _ := tr.verdict(v); width == 0 {
		return nil
	}
	return c
}

// spare drops all codes and makes none until it is told otherwise, and returns
// their memory in bytes. Graphs are compared by the vectors meanwhile.
func (t *table) spare(on bool) (freed int64) {
	t.lockIndexing()
	defer t.indexing.Unlock()
	t.frugal.Store(on)
	if !on {
		return 0
	}
	for kind := range codeKinds {
		freed += t.codes[kind].Load().bytes()
		if c := t.coming[kind]; c != nil {
			freed += c.fresh.bytes()
		}
		t.codes[kind].Store(nil)
		t.coming[kind] = nil
	}
	return freed
}
