package checkpoint_test

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engram-stream/engram/service/internal/checkpoint"
)

func TestCatalogTravels(t *testing.T) {
	disk, first, second, refs := twoCatalogs(t)
	content := must[[]byte](t)(second.Encode())
	if string(content) != string(bytesOf(t, disk, catalogFile(second.Number))) {
		t.Fatal("what travels is not what the file has")
	}
	for _, got := range []*checkpoint.Catalog{
		must[*checkpoint.Catalog](t)(checkpoint.DecodeCatalog(second.Number, content)),
		must[*checkpoint.Catalog](t)(checkpoint.ReadCatalog(disk, dir, second.Number)),
	} {
		if diff := cmp.Diff(second, got); diff != "" {
			t.Fatal(diff)
		}
	}
	var d *checkpoint.DamageError
	if _, err := checkpoint.DecodeCatalog(first.Number, content); !errors.As(err, &d) {
		t.Fatalf("a catalog under another number: %v", err)
	}
	if _, err := checkpoint.ReadCatalog(disk, dir, 99); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a catalog that is not there: %v", err)
	}
	if name := checkpoint.DataName(refs[0].File); path.Join(dir, name) != dataFile(refs[0].File) {
		t.Fatalf("the file is named %s", name)
	}
}

// TestErrorsSay wants each error to name what, how much, and the limit.
func TestErrorsSay(t *testing.T) {
	cause := errors.New("EIO")
	for text, err := range map[string]error{
		"c.ckpt has format 9 up to 1":     &checkpoint.VersionError{File: "c.ckpt", Version: 9, Known: 1},
		"failed EIO":                      &checkpoint.FailedError{Cause: cause},
		"spaces[3].files is empty":        &checkpoint.CatalogError{Field: "spaces[3].files", Why: "is empty"},
		"the catalog 12 bytes limit 10":   &checkpoint.LimitError{What: "the catalog", Size: 12, Limit: 10},
		"d not empty notes.txt":           &checkpoint.OccupiedError{Dir: "d", Name: "notes.txt"},
		"64 bytes at 128 of file 0000001": checkpointRef{checkpoint.Ref{File: 16, Offset: 128, Length: 64}},
	} {
		for _, part := range strings.Fields(text) {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q lacks %q", err, part)
			}
		}
	}
	if !errors.Is(&checkpoint.FailedError{Cause: cause}, cause) {
		t.Error("a failure hides its cause")
	}
}

type checkpointRef struct{ checkpoint.Ref }

func (r checkpointRef) Error() string { return r.String() }
