package engram

import (
	"strconv"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// ScanCodes is what the rows of a space that are scanned are compared by first;
// the nearest of them are compared anew by their vectors.
type ScanCodes int

// What rows are scanned by.
const (
	ScanCodesUnknown  ScanCodes = iota // the space is asleep, or the server older than this program
	ScanCodesNone                      // the vectors themselves
	ScanCodesOneBit                    // a bit for each component
	ScanCodesSevenBit                  // seven bits for each component
)

// String gives the codes' name, and the number of those that are newer than this
// program.
func (c ScanCodes) String() string {
	return named(int(c), "codes ", "unknown", "none", "1-bit", "7-bit")
}

// MarshalText writes the codes' name.
func (c ScanCodes) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// IndexPolicy is how the rows of a space that wait for its graph are dealt with.
// None of them waits for being seen: they are scanned meanwhile.
type IndexPolicy int

// The policies.
const (
	IndexPolicyUnknown IndexPolicy = iota // the server is older than this program
	IndexFull                             // inserted as the space is configured
	IndexNarrow                           // inserted with a narrower search: too many wait
	IndexPaused                           // not inserted for now: many wait, and what comes in needs the processors
)

// String gives the policy's name, and the number of one that is newer than this
// program.
func (p IndexPolicy) String() string {
	return named(int(p), "policy ", "unknown", "full", "narrow", "paused")
}

// MarshalText writes the policy's name.
func (p IndexPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// named is the name that a value has, or what it is and its number.
func named(value int, what string, names ...string) string {
	if value < 0 || value >= len(names) {
		return what + strconv.Itoa(value)
	}
	return names[value]
}

// IndexStatus is how a space is searched.
type IndexStatus struct {
	ScannedBy ScanCodes `json:"scanned_by"`
	// CodeRecall is the recall@10 that these codes had in their last trial, with
	// CodeCandidates of the nearest compared anew by their vectors, when the space
	// had CodeTrialRows rows. All are 0 without codes.
	CodeRecall     float64 `json:"code_recall"`
	CodeCandidates int     `json:"code_candidates"`
	CodeTrialRows  uint64  `json:"code_trial_rows"`
	// CodesWithheld says that codes were dropped, or are not made, since memory
	// is short. Recalls are slower, and lose nothing.
	CodesWithheld bool        `json:"codes_withheld"`
	Policy        IndexPolicy `json:"policy"`
}

// SpaceMemory is the memory a space takes that the system cannot drop and read
// again from a file, in bytes, by what takes it.
type SpaceMemory struct {
	Used    uint64 `json:"used"`    // the sum of what follows
	Rows    uint64 `json:"rows"`    // that are not in files yet, with their vectors
	IDs     uint64 `json:"ids"`     // what finds rows by id
	Codes   uint64 `json:"codes"`   // what rows are compared by in place of their vectors
	Graph   uint64 `json:"graph"`   // its links
	Filters uint64 `json:"filters"` // what finds rows by metadata and context
	Rest    uint64 `json:"rest"`    // marks of sessions, and the space itself
	Limit   uint64 `json:"limit"`   // what Used may come to; 0 is no bound of its own
}

func indexStatusOf(m *v1.IndexStatus) IndexStatus {
	return IndexStatus{
		ScannedBy: ScanCodes(m.GetScannedBy()), CodeRecall: m.GetCodeRecall(), CodeCandidates: int(m.GetCodeCandidates()),
		CodeTrialRows: m.GetCodeTrialRows(), CodesWithheld: m.GetCodesWithheld(), Policy: IndexPolicy(m.GetPolicy()),
	}
}

func spaceMemoryOf(m *v1.SpaceMemory) SpaceMemory {
	return SpaceMemory{
		Used: m.GetUsed(), Rows: m.GetRows(), IDs: m.GetIds(), Codes: m.GetCodes(), Graph: m.GetGraph(), Filters: m.GetFilters(),
		Rest: m.GetRest(), Limit: m.GetLimit(),
	}
}
