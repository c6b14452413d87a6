package journal_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a log on a file system, with small segments.
type log struct{ opts journal.Options }

func (l log) Open() (journal.Journal, error) { return journal.Open(l.opts) }

func small(fsys vfs.FS, dir string) journal.Options {
	return journal.Options{FS: fsys, Dir: dir, SegmentBytes: 4 << 10}
}

func TestSuiteMem(t *testing.T) {
	journaltest.Run(t, func(testing.TB) journaltest.Log { return log{small(vfs.NewMem(1), "log")} })
}

func TestSuiteDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("syncs a real disk")
	}
	journaltest.Run(t, func(t testing.TB) journaltest.Log { return log{small(vfs.OS(), t.TempDir())} })
}
