package doctor

import (
	"fmt"
	"path"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Names of the folders of a data directory.
const (
	JournalDir    = "journal"
	CheckpointDir = "checkpoints"
)

// Kind is what a directory is.
type Kind string

// The kinds of directory that can be examined.
const (
	DataDirectory Kind = "data directory"
	Backup        Kind = "backup"
)

// Finding is one thing that was found.
type Finding struct {
	// Damage: something that was kept has changed or is missing. Otherwise it is
	// only worth knowing.
	Damage bool   `json:"damage"`
	File   string `json:"file,omitempty"`
	Offset int64  `json:"offset"` // in the file, in bytes
	What   string `json:"what"`
	Lost   string `json:"lost,omitempty"` // what that costs
	Do     string `json:"do,omitempty"`   // what to do about it
}

// Report is what an examination found.
type Report struct {
	Dir      string    `json:"dir"`
	Kind     Kind      `json:"kind"`
	Sound    bool      `json:"sound"` // no finding is damage
	Journal  *Journal  `json:"journal,omitempty"`
	Catalogs []Catalog `json:"catalogs,omitempty"` // the newest first
	Files    int       `json:"checkpoint_files"`
	Bytes    int64     `json:"checkpoint_bytes"` // of these
	Spaces   []Space   `json:"spaces,omitempty"` // by name
	Findings []Finding `json:"findings"`
}

// Journal is what there is of the log. Positions and sizes are in bytes.
type Journal struct {
	ID       string `json:"id"`
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	First    uint64 `json:"first_position"`
	End      uint64 `json:"end_position"`
	Frames   int    `json:"frames"`
	Clean    bool   `json:"closed_in_order"`
}

// Catalog is one checkpoint.
type Catalog struct {
	Number   uint64 `json:"number"`
	Position uint64 `json:"position"` // from where in the journal a start reads
	Spaces   int    `json:"spaces"`
	Whole    bool   `json:"whole"`
	InForce  bool   `json:"in_force"` // a start reads this one
}

// Space is what can be read of one space.
type Space struct {
	Name       string `json:"name"`
	Generation uint64 `json:"generation"`
}

func (r *Report) find(f Finding) { r.Findings = append(r.Findings, f) }

// Examine looks at a directory. An error says that it cannot be looked at: it
// is not there, cannot be read, or is something else.
func Examine(fsys vfs.FS, dir string) (*Report, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Dir: dir, Findings: []Finding{}}
	x := &examination{Report: r, fs: fsys, spaces: newHistory()}
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	switch {
	case there[JournalDir] || there[CheckpointDir]:
		r.Kind = DataDirectory
		x.checkpointDir, x.journalDir = path.Join(dir, CheckpointDir), path.Join(dir, JournalDir)
	case isBackup(names):
		r.Kind = Backup
		x.checkpointDir = dir
	default:
		return nil, fmt.Errorf("%s has neither a folder %q nor one %q, and no catalog: it is no data directory and no backup", dir, JournalDir, CheckpointDir)
	}
	if there[CheckpointDir] || r.Kind == Backup {
		if err := x.checkpoints(); err != nil {
			return nil, err
		}
	}
	if r.Kind == DataDirectory {
		if err := x.journal(there[JournalDir]); err != nil {
			return nil, err
		}
	}
	r.Spaces = x.spaces.list()
	r.Sound = true
	for _, f := range r.Findings {
		r.Sound = r.Sound && !f.Damage
	}
	return r, nil
}
