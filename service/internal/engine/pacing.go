package engine

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// pacePiece is how many bytes a round writes at most before it looks again
// whether it is to wait.
const pacePiece = 1 << 20

// hurriedPatience is how long a round that is in a hurry works before it lets
// others go first: a twentieth of its time at most.
const hurriedPatience = time.Millisecond

// pacing is how a round leaves the disk to the journal, and the processors to
// recalls, streams and workers. It is the round's own, one goroutine's.
type pacing struct {
	ctx     context.Context
	e       *Engine
	paced   bool
	disk    *rate.Limiter // nil is no bound
	manners courtesy
	look    func() load
	instead func() // a test's, in place of manners; nil is none
}

// pace is the pacing of a round.
func (e *Engine) pace(ctx context.Context, wish CheckpointWish) *pacing {
	p := &pacing{ctx: ctx, e: e, paced: wish.Paced, look: scheduler(), instead: e.checkpoints.instead}
	p.manners.looked = time.Now()
	p.judge()
	if r := e.opts.Checkpoint.Rate; r > 0 {
		p.disk = rate.NewLimiter(rate.Limit(r), pacePiece)
	}
	return p
}

// hurried reports whether the round is to be over soon: somebody waits for it,
// memory or a filling disk does, or the tail has become so long that slowness
// would make that worse. Such a round writes as fast as it can and gives way
// seldom; every other one writes slowly and gives way as an index worker does.
func (p *pacing) hurried() bool {
	return !p.paced || p.ctx.Err() != nil || p.e.memory.round.Load() || p.e.room.tight() ||
		p.e.tailBytes() >= 2*p.e.opts.Checkpoint.TailBytes
}

// wait is called before each write with its bytes.
func (p *pacing) wait(n int) {
	for ; n > 0 && p.disk != nil && !p.hurried(); n -= pacePiece {
		if p.disk.WaitN(p.ctx, min(n, pacePiece)) != nil {
			break
		}
	}
	p.giveWay()
}

// giveWay is called between two pieces of work of the processor.
func (p *pacing) giveWay() {
	if p.instead != nil {
		p.instead()
		return
	}
	p.manners.giveWay(func() load {
		p.judge()
		return p.look()
	})
}

// judge settles how long others wait from now on.
func (p *pacing) judge() {
	p.manners.patience = 0
	if p.hurried() {
		p.manners.patience = hurriedPatience
	}
}
