package engine

import (
	"context"

	"github.com/engram-stream/engram/service/internal/journal"
)

// keep makes a frame of a space durable: every frame of the engine goes this
// way. then, which may be nil, runs before a checkpoint can be taken: it does
// what the frame says, where no lease keeps checkpoints away.
func (e *Engine) keep(ctx context.Context, sl *slot, f *journal.Frame, then func()) error {
	sl.tail.keeping.RLock()
	defer sl.tail.keeping.RUnlock()
	at, err := e.journal.Append(ctx, f)
	if err != nil {
		return err
	}
	sl.tail.note(at)
	if then != nil {
		then()
	}
	return nil
}
