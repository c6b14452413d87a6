package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// Bounds on reading.
const (
	MaxPage     = 1000
	DefaultPage = 100
	MaxIDs      = 10_000 // of one Forget
	// pageLook is how many rows one page looks at, so that a filter that
	// matches little cannot hold a call up.
	pageLook = 100_000
)

// Get reads observations by id, at the newest generation.
func (e *Engine) Get(id memory.SpaceID, ids []memory.ObservationID) ([]space.Stored, []memory.ObservationID, *space.Snapshot, error) {
	sl, err := e.registry.find(id)
	if err != nil {
		return nil, nil, nil, err
	}
	return sl.space.Get(ids)
}

// Listing asks for a page of a space in generation order.
type Listing struct {
	Space  memory.SpaceID
	Size   int // 0 is DefaultPage
	Token  string
	Since  memory.Generation
	Filter filter.Expr
	At     memory.Generation // 0 is the newest
}

// Page is an answer to a Listing.
type Page struct {
	Stored     []space.Stored
	Next       string // empty at the end
	Generation memory.Generation
}

// pageToken is where the next page begins, and of which generation.
type pageToken struct {
	Incarnation memory.Incarnation `json:"i"`
	At          memory.Generation  `json:"a"`
	Since       memory.Generation  `json:"s"`
}

// List pages through a space. All pages are of one generation.
func (e *Engine) List(ctx context.Context, l Listing) (*Page, error) {
	sl, err := e.registry.find(l.Space)
	if err != nil {
		return nil, err
	}
	pred, err := compile(l.Filter)
	if err != nil {
		return nil, err
	}
	size := l.Size
	if size == 0 {
		size = DefaultPage
	}
	if size < 1 || size > MaxPage {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidField, "page_size is %d; it must be in 1..%d", l.Size, MaxPage).In("page_size")
	}
	if l.Token != "" {
		t, err := parseToken(l.Token)
		if err != nil || t.Incarnation != sl.space.Incarnation() {
			return nil, fault.New(fault.InvalidArgument, fault.InvalidPageToken, "page_token is not one of this space").In("page_token")
		}
		l.At, l.Since = t.At, t.Since
	}
	c := space.Consistency{}
	if l.At != 0 {
		c = space.Consistency{Mode: space.At, Generation: l.At}
	}
	snap, err := e.pin(ctx, sl.space, c)
	if err != nil {
		return nil, err
	}
	stored, through, more, err := sl.space.Page(snap, l.Since, pred, size, pageLook)
	if err != nil {
		return nil, err
	}
	page := &Page{Stored: stored, Generation: snap.Generation}
	if more {
		page.Next = pageToken{sl.space.Incarnation(), snap.Generation, through}.String()
	}
	return page, nil
}

func (t pageToken) String() string {
	b, err := json.Marshal(t)
	if err != nil {
		return "" // three numbers: cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseToken(s string) (t pageToken, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(b, &t)
}

// Watch calls send with the observations of a space as they become visible,
// from a generation on (nil: from now), until ctx ends, the space is deleted
// or send fails. through is where the watcher stands, also when nothing
// matched.
func (e *Engine) Watch(ctx context.Context, id memory.SpaceID, since *memory.Generation, x filter.Expr,
	send func(found []space.Stored, through memory.Generation) error) error {
	sl, err := e.registry.find(id)
	if err != nil {
		return err
	}
	pred, err := compile(x)
	if err != nil {
		return err
	}
	snap := sl.space.Current()
	at := snap.Generation
	if since != nil {
		at = *since
	}
	for {
		for at < snap.Generation {
			found, through, more, err := sl.space.Page(snap, at, pred, DefaultPage, pageLook)
			if err != nil {
				return err
			}
			if at = through; !more {
				at = snap.Generation
			}
			if err := send(found, at); err != nil {
				return err
			}
			snap = sl.space.Current() // the sending took its time: what was forgotten meanwhile is not sent
		}
		select {
		case <-snap.Next():
			snap = sl.space.Current()
		case <-sl.space.Deleted():
			return spaceDeleted(id)
		case <-e.leaving.Done():
			return errDraining
		case <-ctx.Done():
			return fault.Of(ctx.Err())
		}
	}
}

// Forget deletes by ids or by filter, and returns how many there were and the
// generation at which they are gone. It is durable when it returns.
func (e *Engine) Forget(ctx context.Context, id memory.SpaceID, ids []memory.ObservationID, x filter.Expr) (int, memory.Generation, error) {
	if err := e.takesWrites(); err != nil {
		return 0, 0, err
	}
	sl, err := e.registry.find(id)
	if err != nil {
		return 0, 0, err
	}
	pred, err := compile(x)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case len(ids) == 0 && pred == nil:
		return 0, 0, fault.New(fault.InvalidArgument, fault.InvalidFilter, "neither ids nor a filter is given; to delete everything, delete the space")
	case len(ids) > 0 && pred != nil:
		return 0, 0, fault.New(fault.InvalidArgument, fault.InvalidFilter, "both ids and a filter are given; one of them is wanted")
	case len(ids) > MaxIDs:
		return 0, 0, fault.New(fault.InvalidArgument, fault.TooLarge, "ids has %d elements; the limit is %d", len(ids), MaxIDs).In("ids")
	}
	return e.remove(ctx, sl, func() (*journal.Frame, []memory.Generation) { return sl.space.PrepareForget(ids, pred) })
}

// remove carries out what prepare resolves, under the lease.
func (e *Engine) remove(ctx context.Context, sl *slot, prepare func() (*journal.Frame, []memory.Generation)) (n int, at memory.Generation, err error) {
	err = e.pool.Exclusive(ctx, sl.space.ID(), func() error {
		if err := sl.space.Wake(); err != nil {
			return err
		}
		frame, gens := prepare()
		if frame == nil {
			at = sl.space.Current().Generation
			return nil
		}
		if err := e.keep(context.WithoutCancel(ctx), sl, frame, nil); err != nil {
			return e.appendFailed(err)
		}
		n, at = len(gens), sl.space.ApplyForget(frame, gens)
		e.checkpoints.eraseDue(e.opts.Clock.Now())
		return nil
	})
	return n, at, err
}

// retain lets a space forget what its retention says.
func (e *Engine) retain(ctx context.Context, sl *slot) error {
	if !sl.space.RetentionDue(e.opts.Clock.Now()) {
		return nil
	}
	n, at, err := e.remove(ctx, sl, sl.space.PrepareRetention)
	if n > 0 {
		e.opts.Log.Info("retention", "space", sl.space.ID(), "forgotten", n, "generation", at)
	}
	return err
}
