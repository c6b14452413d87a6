package hnsw

import "math"

// Defaults of [Config].
const (
	DefaultM              = 16
	DefaultEfConstruction = 100
)

// Bounds that keep a configuration sane; values beyond are clamped.
const (
	minM     = 4
	maxM     = 256
	maxLevel = 30
)

// Config shapes a graph. The zero value gives the defaults.
type Config struct {
	// M is how many neighbours a new row is linked to at each layer. A list
	// holds up to M links, and 2M at layer 0. 4..256; 0 is DefaultM.
	M int
	// EfConstruction is the breadth of the search for neighbours on insert;
	// at least M. 0 is DefaultEfConstruction.
	EfConstruction int
	// KeepPruned fills a selection that the heuristic left short with the
	// closest of those it discarded (keepPrunedConnections of Algorithm 4), and
	// a list that overflowed to three quarters of its places. Off by default: on
	// SIFT it gave the recall that a broader search without it gives for the same
	// number of rows visited, and cost longer lists. Where rows are compared by
	// what is no metric the heuristic discards too many: there it is worth having.
	KeepPruned bool
	// Seed drives the draw of levels.
	Seed uint64
	// VisitLimit bounds how many rows one search may score. 0 bounds it by
	// 64·ef, at least 20,000. See [Scratch.Exhausted].
	VisitLimit int
}

func (c Config) withDefaults() Config {
	if c.M == 0 {
		c.M = DefaultM
	}
	c.M = min(max(c.M, minM), maxM)
	if c.EfConstruction <= 0 {
		c.EfConstruction = DefaultEfConstruction
	}
	c.EfConstruction = max(c.EfConstruction, c.M)
	return c
}

// visitLimit is the bound for a search of breadth ef.
func (c Config) visitLimit(ef int) int {
	if c.VisitLimit > 0 {
		return c.VisitLimit
	}
	return max(20_000, 64*ef)
}

// level draws the level of a row: ⌊−ln(U)·1/ln(M)⌋ with U uniform in (0, 1],
// line 4 of Algorithm 1 with the normalisation the paper recommends.
func (c Config) level(row uint32) int {
	u := float64(mix(c.Seed^mix(uint64(row)+1))>>11+1) * 0x1p-53
	return min(int(-math.Log(u)/math.Log(float64(c.M))), maxLevel)
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", OOPSLA 2014).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
