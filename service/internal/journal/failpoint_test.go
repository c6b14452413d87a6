//go:build failpoints

package journal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestFailpoints(t *testing.T) {
	for _, name := range []string{failpoint.JournalWrite, failpoint.JournalSync} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(failpoint.Reset)
			if err := failpoint.Set(name, "error@2"); err != nil {
				t.Fatal(err)
			}
			j := mustOpen(t, small(vfs.NewMem(1), "log"))
			mustAppend(t, j, 0, 10)
			_, err := j.Append(context.Background(), journaltest.NewFrame(1, 10))
			var failed *journal.FailedError
			var injected *failpoint.InjectedError
			if !errors.As(err, &failed) || !errors.As(err, &injected) || injected.Name != name {
				t.Fatalf("append: %v", err)
			}
		})
	}
}
