package checkpoint_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const dir = "checkpoints"

func open(t testing.TB, fs vfs.FS) *checkpoint.Store {
	t.Helper()
	s, err := checkpoint.Open(checkpoint.Options{FS: fs, Dir: dir})
	check(t, err)
	return s
}

// one commits a catalog of one space with one file that has these sections,
// the last being the manifest.
func one(t testing.TB, s *checkpoint.Store, position uint64, sections ...[]byte) (*checkpoint.Catalog, []checkpoint.Ref) {
	t.Helper()
	w := must[*checkpoint.Writer](t)(s.Create(nil))
	var refs []checkpoint.Ref
	for _, b := range sections {
		refs = append(refs, must[checkpoint.Ref](t)(w.Append(b)))
	}
	check(t, w.Finish())
	c := checkpoint.Catalog{Journal: 7, Position: position, Spaces: []checkpoint.Entry{{
		Space: "tests", Incarnation: 1, Manifest: refs[len(refs)-1], Files: []checkpoint.FileID{w.ID()},
	}}}
	return must[*checkpoint.Catalog](t)(s.Commit(c)), refs
}

func section(t testing.TB, s *checkpoint.Store, r checkpoint.Ref) []byte {
	t.Helper()
	f := must[*checkpoint.File](t)(s.File(r.File))
	b := bytes.Clone(must[[]byte](t)(f.Section(r)))
	runtime.KeepAlive(f) // its bytes are mapped as long as it is reachable
	return b
}

func TestRoundTrip(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"mem": vfs.NewMem(1), "os": vfs.OS()} {
		t.Run(name, func(t *testing.T) {
			where := dir
			if name == "os" {
				where = t.TempDir()
			}
			s := must[*checkpoint.Store](t)(checkpoint.Open(checkpoint.Options{FS: fs, Dir: where}))
			big := bytes.Repeat([]byte("0123456789abcdef!"), 9<<20/17)
			c, refs := one(t, s, 10, []byte("first"), nil, big, []byte("manifest"))
			check(t, s.Close())
			s = must[*checkpoint.Store](t)(checkpoint.Open(checkpoint.Options{FS: fs, Dir: where}))
			if got := s.Latest(); got == nil || got.Number != c.Number || got.Position != 10 || s.Previous() != nil || len(s.Damage()) > 0 {
				t.Fatalf("latest %+v, previous %+v, damage %v", got, s.Previous(), s.Damage())
			}
			for n, want := range [][]byte{[]byte("first"), {}, big, []byte("manifest")} {
				if got := section(t, s, refs[n]); !bytes.Equal(got, want) {
					t.Fatalf("section %d has %d bytes, not the %d written", n, len(got), len(want))
				}
				if refs[n].Offset%checkpoint.Align != 0 {
					t.Fatalf("section %d is at %d", n, refs[n].Offset)
				}
			}
			blocks, damage := s.Scrub(t.Context(), nil)
			if blocks != 10 || len(damage) > 0 {
				t.Fatalf("scrub read %d blocks and found %v", blocks, damage)
			}
			r, size, err := s.Reader(refs[0].File)
			check(t, err)
			raw := must[[]byte](t)(io.ReadAll(r))
			check(t, r.Close())
			if int64(len(raw)) != size {
				t.Fatalf("%d raw bytes of %d", len(raw), size)
			}
			check(t, s.Close())
		})
	}
}
