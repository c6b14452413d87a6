package space

import (
	"encoding/json"
	"fmt"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
)

// manifestVersion changes when an older server could not read what a newer one
// writes.
const manifestVersion = 1

// manifest is what a checkpoint says of one space: everything that is there
// while the space sleeps, and where the rest lies.
type manifest struct {
	Version  int      `json:"version"`
	Settings Settings `json:"settings"`
	// Through is the journal position of the last frame that is in it.
	Through uint64 `json:"through"`

	Generation  memory.Generation `json:"generation"`
	CommittedAt int64             `json:"committed_at"` // of that generation, Unix nanoseconds
	LastCommit  int64             `json:"last_commit"`  // of the newest frame
	Rows        int               `json:"rows"`
	Live        int64             `json:"live"`
	Bytes       int64             `json:"bytes"`
	Oldest      int64             `json:"oldest,omitempty"` // commit time of the oldest live row
	Events      []manifestEvent   `json:"events,omitempty"`
	Marks       []Mark            `json:"marks,omitempty"`
	Quarantined map[uint32]string `json:"quarantined,omitempty"`

	Chunks []storedChunk `json:"chunks,omitempty"` // the full ones
	// Last is the chunk that is not full.
	Last   checkpoint.Ref `json:"last,omitzero"`
	Deaths checkpoint.Ref `json:"deaths,omitzero"`
	IDs    checkpoint.Ref `json:"ids,omitzero"`
	Index  checkpoint.Ref `json:"index,omitzero"`
	Graph  checkpoint.Ref `json:"graph,omitzero"`
	// GraphRows is how many rows, from the first, the graph has taken in.
	GraphRows int `json:"graph_rows,omitempty"`
}

type manifestEvent struct {
	Generation memory.Generation `json:"g"`
	At         int64             `json:"t"`
}

// storedChunk is a full chunk of rows in a file.
type storedChunk struct {
	checkpoint.Ref
	// Erased is how many of its rows have nothing left but their generation.
	Erased int `json:"e,omitempty"`
}

// stored is what a table has in files already.
type stored struct {
	chunks []storedChunk
	graph  checkpoint.Ref
	// graphRows are those in the image of the graph; graphStale says that the
	// graph lost rows since.
	graphRows  int
	graphStale bool
}

// refs calls fn with every section the manifest names.
func (m *manifest) refs(fn func(checkpoint.Ref)) {
	for _, c := range m.Chunks {
		fn(c.Ref)
	}
	for _, r := range []checkpoint.Ref{m.Last, m.Deaths, m.IDs, m.Index, m.Graph} {
		if r.Length > 0 {
			fn(r)
		}
	}
}

func (m *manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of space %q: %w", m.Settings.ID, err)
	}
	return b, nil
}

// decodeManifest reads a manifest and checks that its numbers go together.
func decodeManifest(b []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	bad := func(format string, args ...any) (*manifest, error) {
		return nil, fmt.Errorf("decode the manifest of space %q: "+format, append([]any{m.Settings.ID}, args...)...)
	}
	switch {
	case m.Version != manifestVersion:
		return bad("version is %d; this server reads %d", m.Version, manifestVersion)
	case !memory.ValidName(string(m.Settings.ID)):
		return bad("not a name")
	case m.Rows < 0 || uint64(m.Rows) > 1<<32-2 || m.Rows>>chunkShift != len(m.Chunks):
		return bad("%d rows in %d full chunks", m.Rows, len(m.Chunks))
	case m.Settings.Dimension < 0 || m.Settings.Dimension > 1<<16 || m.Rows > 0 && m.Settings.Dimension == 0:
		return bad("dimension is %d", m.Settings.Dimension)
	case m.Rows&chunkMask != 0 && m.Last.Length == 0:
		return bad("the last %d rows are missing", m.Rows&chunkMask)
	case m.GraphRows < 0 || m.GraphRows > m.Rows:
		return bad("the graph has %d of %d rows", m.GraphRows, m.Rows)
	case m.Generation < memory.Generation(m.Rows):
		return bad("generation is %d with %d rows", m.Generation, m.Rows)
	}
	for i := range m.Chunks {
		if e := m.Chunks[i].Erased; e < 0 || e > chunkRows {
			return bad("%d rows of chunk %d are erased", e, i)
		}
	}
	for row := range m.Quarantined {
		if int(row) >= m.Rows {
			return bad("row %d of %d is quarantined", row, m.Rows)
		}
	}
	return &m, nil
}
