//go:build failpoints

package scenario

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	engram "github.com/engram-stream/engram/sdk/go"
)

// checkpointer has checkpoints made while clients stream, for a crash to come
// before, amid or after one.
type checkpointer struct {
	c           *engram.Client
	ctx         context.Context
	under       sync.WaitGroup
	done, ended atomic.Int64 // came to their end, and were ended
}

// begin asks for one. It does not wait.
func (k *checkpointer) begin(erase bool) {
	k.under.Go(func() {
		if _, err := k.c.Checkpoint(k.ctx, erase); err != nil {
			k.ended.Add(1)
		} else {
			k.done.Add(1)
		}
	})
}

// check waits for what is under way, and fails when no checkpoint was made.
func (k *checkpointer) check(t *testing.T) {
	t.Helper()
	k.under.Wait()
	st, err := k.c.Status(k.ctx)
	if err != nil || k.done.Load() == 0 || st.Checkpoint.GetCatalog() == 0 || len(st.Checkpoint.GetDamage()) != 0 {
		t.Errorf("%d checkpoints made, %d cut short: %v, %v", k.done.Load(), k.ended.Load(), st.GetCheckpoint(), err)
	}
	t.Logf("%d checkpoints made, %d cut short", k.done.Load(), k.ended.Load())
}
