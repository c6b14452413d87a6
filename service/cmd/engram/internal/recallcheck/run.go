package recallcheck

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	engram "github.com/engram-stream/engram/sdk/go"
)

// How says how a cue is to be answered.
type How struct {
	Effort int
	Exact  bool
}

// Ask has a cue answered, at the generation of the check.
type Ask func(ctx context.Context, cue engram.Cue, how How) (*engram.Recall, error)

// Plan is what to measure.
type Plan struct {
	Efforts     []int // 0 is the server's choice; at least one
	Limit       int   // results asked for
	Concurrency int   // recalls under way at a time; at least 1
	// Asked, if not nil, is called after each recall, from any goroutine.
	Asked func()
}

// again is how often a cue is asked for anew whose exact answer has changed.
const again = 3

// measured is a cue under way. Owner: the goroutine that asks for it.
type measured struct {
	cue    Cue
	gone   bool
	steady bool
	exact  []row
	hits   []int  // by effort
	walked []bool // by effort
}

// check is a Run under way.
type check struct {
	plan Plan
	ask  Ask
	cues []measured
}

// Run asks for every cue exactly and with every effort, one kind after the
// other, so that none finds the caches as the other left them, and compares.
//
// Forgotten and expired rows leave every generation at once. So where an answer
// lacks something, the exact one is asked for again: if it has changed, the cue
// is measured anew, and left out when that does not help.
func Run(ctx context.Context, plan Plan, cues []Cue, ask Ask) (*Report, error) {
	c := check{plan: plan, ask: ask, cues: make([]measured, len(cues))}
	for i, cue := range cues {
		c.cues[i] = measured{cue: cue, steady: true, hits: make([]int, len(plan.Efforts)), walked: make([]bool, len(plan.Efforts))}
	}
	if len(cues) > 0 { // the first recall may have to wake the space
		if err := c.warm(ctx); err != nil {
			return nil, err
		}
	}
	report := &Report{Efforts: make([]Effort, len(plan.Efforts))}
	exact, err := c.pass(ctx, c.askExactly)
	if err != nil {
		return nil, err
	}
	report.Exact = exact.summary()
	for e, effort := range plan.Efforts {
		t, err := c.pass(ctx, func(ctx context.Context, m *measured) (*engram.Recall, error) { return c.askWidely(ctx, m, e) })
		if err != nil {
			return nil, err
		}
		report.Efforts[e] = Effort{Effort: effort, Latency: t.summary()}
	}
	if _, err := c.pass(ctx, c.settle); err != nil {
		return nil, err
	}
	c.count(report)
	return report, nil
}

func (c *check) warm(ctx context.Context) error {
	for _, how := range []How{{Exact: true}, {Effort: c.plan.Efforts[0]}} {
		if _, err := c.ask(ctx, c.cues[0].cue.Cue, how); err != nil && !isGone(err) {
			return fmt.Errorf("ask for %s: %w", c.cues[0].cue.Name, err)
		}
	}
	return nil
}

// pass does something to all cues that are left, some at a time. The latencies
// are in no order.
func (c *check) pass(ctx context.Context, do func(context.Context, *measured) (*engram.Recall, error)) (*times, error) {
	took := make([]time.Duration, len(c.cues))
	inside := make([]time.Duration, len(c.cues))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.plan.Concurrency)
	for i := range c.cues {
		m := &c.cues[i]
		if m.gone {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			began := time.Now()
			r, err := do(ctx, m)
			if isGone(err) {
				m.gone = true
				return nil
			}
			if err != nil {
				return fmt.Errorf("ask for %s: %w", m.cue.Name, err)
			}
			if r == nil {
				return nil
			}
			took[i], inside[i] = time.Since(began), r.Took
			if c.plan.Asked != nil {
				c.plan.Asked()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	t := &times{}
	for i := range took {
		if took[i] > 0 {
			t.client, t.server = append(t.client, took[i]), append(t.server, inside[i])
		}
	}
	return t, nil
}

func (c *check) askExactly(ctx context.Context, m *measured) (*engram.Recall, error) {
	r, err := c.ask(ctx, m.cue.Cue, How{Exact: true})
	if err == nil {
		m.exact = rowsOf(r)
	}
	return r, err
}

func (c *check) askWidely(ctx context.Context, m *measured, e int) (*engram.Recall, error) {
	r, err := c.ask(ctx, m.cue.Cue, How{Effort: c.plan.Efforts[e]})
	if err == nil {
		m.hits[e], m.walked[e] = found(m.exact, rowsOf(r)), r.Visited > 0
	}
	return r, err
}

// settle asks again for a cue some answer to which lacks something.
func (c *check) settle(ctx context.Context, m *measured) (*engram.Recall, error) {
	for range again {
		if m.complete() {
			return nil, nil
		}
		before := m.exact
		if _, err := c.askExactly(ctx, m); err != nil {
			return nil, err
		}
		if slices.Equal(before, m.exact) {
			return nil, nil
		}
		for e := range c.plan.Efforts {
			if _, err := c.askWidely(ctx, m, e); err != nil {
				return nil, err
			}
		}
	}
	m.steady = m.complete()
	return nil, nil
}

func (m *measured) complete() bool {
	return !slices.ContainsFunc(m.hits, func(n int) bool { return n < len(m.exact) })
}

// count fills in what was found.
func (c *check) count(report *Report) {
	var kept []*measured
	for i := range c.cues {
		switch m := &c.cues[i]; {
		case m.gone:
			report.Gone++
		case !m.steady:
			report.Unsteady++
		case len(m.exact) == 0:
			report.Empty++
		default:
			kept = append(kept, m)
			if len(m.exact) < c.plan.Limit {
				report.Short++
			}
		}
	}
	report.Cues = len(kept)
	for e := range report.Efforts {
		shares, names := make([]float64, len(kept)), make([]string, len(kept))
		for i, m := range kept {
			shares[i], names[i] = float64(m.hits[e])/float64(len(m.exact)), m.cue.Name
			if m.walked[e] {
				report.Efforts[e].Walked++
			}
		}
		report.Efforts[e].summarise(shares, names)
	}
}

// isGone reports whether the row that is the cue has been forgotten.
func isGone(err error) bool { return engram.ReasonOf(err) == "OBSERVATION_NOT_FOUND" }
