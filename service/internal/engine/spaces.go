package engine

import (
	"context"
	"time"

	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// EmbedderNone is the embedder of a space whose vectors come from its clients.
const EmbedderNone = "none"

// NewSpace describes a space to be created. Zero values are defaults.
type NewSpace struct {
	ID        memory.SpaceID
	Dimension int
	Metric    memory.Metric
	// Embedder is a kind, EmbedderNone, or empty for the default.
	Embedder string
	// IndexThreshold is nil for the default; 0 builds a graph from the first
	// row on.
	IndexThreshold *int
	History        time.Duration
	Quotas         space.Quotas
	Retention      space.Retention
}

// CreateSpace creates a space. Creating it again with the same settings is a
// success; with others it is SPACE_EXISTS.
func (e *Engine) CreateSpace(ctx context.Context, n NewSpace) (*space.Space, bool, error) {
	set, f := e.settingsFor(n)
	if f != nil {
		return nil, false, f
	}
	e.registry.changing.Lock()
	defer e.registry.changing.Unlock()
	if sl := e.registry.lookup(n.ID); sl != nil {
		have := sl.space.Settings()
		if (n.Dimension != 0 && have.Dimension != set.Dimension) || have.Metric != set.Metric ||
			(n.Embedder != "" && have.Embedder.Kind != set.Embedder.Kind) {
			return nil, false, fault.New(fault.AlreadyExists, fault.AlreadyExistsName,
				"space %q exists with dimension %d, metric %v and embedder %q", n.ID, have.Dimension, have.Metric, have.Embedder.Kind)
		}
		return sl.space, false, nil
	}
	sp, err := e.create(ctx, set)
	return sp, err == nil, err
}

// create journals a space and puts it into the table. registry.changing is
// held.
func (e *Engine) create(ctx context.Context, set space.Settings) (*space.Space, error) {
	if err := e.takesWrites(); err != nil {
		return nil, err
	}
	if n := e.registry.count(); n >= e.opts.Limits.Spaces {
		return nil, fault.New(fault.ResourceExhausted, fault.TooManySpaces, "there are %d spaces; the limit is %d", n, e.opts.Limits.Spaces)
	}
	set.Incarnation = memory.NewIncarnation()
	set.CreatedAt = e.opts.Clock.Now().UTC()
	set.Base = e.registry.base(set.ID)
	sl := e.newSlot(space.New(set, e.opts.Clock))
	err := e.keep(ctx, sl, &journal.Frame{
		Kind: journal.KindSpaceCreated, Space: set.ID, Incarnation: set.Incarnation,
		FirstGeneration: set.Base, CommitTime: set.CreatedAt.UnixNano(), Payload: set.Encode(),
	}, nil)
	if err != nil {
		return nil, e.appendFailed(err)
	}
	e.registry.put(sl)
	e.opts.Log.Info("space created", "space", set.ID, "dimension", set.Dimension, "metric", set.Metric.String(), "embedder", set.Embedder.Kind)
	return sl.space, nil
}

func (e *Engine) settingsFor(n NewSpace) (space.Settings, *fault.Error) {
	if !memory.ValidName(string(n.ID)) {
		return space.Settings{}, invalidName("space", string(n.ID))
	}
	if n.Dimension != 0 && (n.Dimension < 2 || n.Dimension > e.opts.Limits.Dimension) {
		return space.Settings{}, fault.New(fault.InvalidArgument, fault.InvalidDimension,
			"dimension is %d; it must be in 2..%d", n.Dimension, e.opts.Limits.Dimension).In("dimension")
	}
	set := space.Settings{
		ID: n.ID, Dimension: n.Dimension, Metric: n.Metric, History: n.History, Quotas: n.Quotas, Retention: n.Retention,
		IndexThreshold: e.opts.Space.IndexThreshold, M: e.opts.Space.M, EfConstruction: e.opts.Space.EfConstruction,
	}
	if set.Metric == memory.MetricUnspecified {
		set.Metric = e.opts.Space.Metric
	}
	if set.History == 0 {
		set.History = e.opts.Space.History
	}
	if n.IndexThreshold != nil {
		set.IndexThreshold = *n.IndexThreshold
	}
	switch n.Embedder {
	case EmbedderNone:
		set.Embedder.Kind = EmbedderNone
	case "":
		// By dimension: the default embedder's own, or left open until the
		// first observation says whether it comes with a vector.
		if emb := e.defaultEmbedder(); n.Dimension != 0 {
			set.Embedder.Kind = EmbedderNone
			if emb != nil && emb.Identity().Dimension == n.Dimension {
				set.Embedder = emb.Identity()
			}
		}
	default:
		emb := e.embedders[n.Embedder]
		if emb == nil {
			return set, fault.New(fault.InvalidArgument, fault.NoEmbedder, "embedder is %q; this server has %s", n.Embedder, e.embedderKinds()).In("embedder")
		}
		set.Embedder = emb.Identity()
		if n.Dimension != 0 && n.Dimension != set.Embedder.Dimension {
			return set, fault.New(fault.InvalidArgument, fault.InvalidDimension,
				"dimension is %d; embedder %q makes vectors of %d", n.Dimension, n.Embedder, set.Embedder.Dimension).In("dimension")
		}
		set.Dimension = set.Embedder.Dimension
	}
	return set, nil
}

// open finds a space to write to, and makes it if it may.
func (e *Engine) open(ctx context.Context, id memory.SpaceID, mustExist bool) (*slot, error) {
	if !memory.ValidName(string(id)) {
		return nil, invalidName("space", string(id))
	}
	if sl := e.registry.lookup(id); sl != nil || mustExist {
		if sl == nil {
			return e.registry.find(id)
		}
		return sl, nil
	}
	set, f := e.settingsFor(NewSpace{ID: id})
	if f != nil {
		return nil, f
	}
	e.registry.changing.Lock()
	defer e.registry.changing.Unlock()
	if sl := e.registry.lookup(id); sl != nil {
		return sl, nil
	}
	if _, err := e.create(ctx, set); err != nil {
		return nil, err
	}
	return e.registry.lookup(id), nil
}

// shape fixes dimension and embedder of a space that has none yet, by the
// first observation that is sound: with a vector it is the vector's length and
// no embedder, by text alone it is the default embedder's.
func (e *Engine) shape(ctx context.Context, sl *slot, in []Incoming) error {
	if sl.space.Dimension() != 0 {
		return nil
	}
	sl.shaping.Lock()
	defer sl.shaping.Unlock()
	set := sl.space.Settings()
	if set.Dimension != 0 {
		return nil
	}
	emb := e.defaultEmbedder()
	for i := range in {
		if e.check(&in[i], 0, set.Metric, emb != nil && set.Embedder.Kind == "") != nil {
			continue
		}
		if v := in[i].Observation.Vector; v != nil {
			set.Dimension, set.Embedder = len(v), embed.Identity{Kind: EmbedderNone}
		} else {
			set.Dimension, set.Embedder = emb.Identity().Dimension, emb.Identity()
		}
		return e.update(ctx, sl, set)
	}
	return nil
}

// update journals changed settings and puts them in force, under the lease.
func (e *Engine) update(ctx context.Context, sl *slot, set space.Settings) error {
	return e.pool.Exclusive(ctx, set.ID, func() error {
		err := e.keep(ctx, sl, &journal.Frame{
			Kind: journal.KindSpaceUpdated, Space: set.ID, Incarnation: set.Incarnation,
			FirstGeneration: sl.space.Current().Generation, CommitTime: e.opts.Clock.Now().UnixNano(), Payload: set.Encode(),
		}, nil)
		if err != nil {
			return e.appendFailed(err)
		}
		sl.space.Update(set)
		return nil
	})
}

// UpdateSpace changes quotas, retention or the index threshold; nil stays.
func (e *Engine) UpdateSpace(ctx context.Context, id memory.SpaceID, q *space.Quotas, r *space.Retention, threshold *int) (*space.Space, error) {
	sl, err := e.registry.find(id)
	if err != nil {
		return nil, err
	}
	if err := e.takesWrites(); err != nil {
		return nil, err
	}
	sl.shaping.Lock()
	defer sl.shaping.Unlock()
	set := sl.space.Settings()
	if q != nil {
		set.Quotas = *q
	}
	if r != nil {
		set.Retention = *r
	}
	if threshold != nil {
		set.IndexThreshold = *threshold
	}
	if err := e.update(ctx, sl, set); err != nil {
		return nil, err
	}
	return sl.space, e.retain(ctx, sl)
}

// DeleteSpace deletes a space and everything in it, and returns how many
// observations there were.
func (e *Engine) DeleteSpace(ctx context.Context, id memory.SpaceID) (int64, error) {
	if err := e.takesWrites(); err != nil {
		return 0, err
	}
	e.registry.changing.Lock()
	defer e.registry.changing.Unlock()
	sl, err := e.registry.find(id)
	if err != nil {
		return 0, err
	}
	var live int64
	err = e.pool.Exclusive(ctx, id, func() error {
		at := sl.space.Current().Generation + 1
		err := e.keep(ctx, sl, &journal.Frame{
			Kind: journal.KindSpaceDeleted, Space: id, Incarnation: sl.space.Incarnation(),
			FirstGeneration: at, Generations: 1, CommitTime: e.opts.Clock.Now().UnixNano(),
		}, nil)
		if err != nil {
			return e.appendFailed(err)
		}
		live = sl.space.Stats().Live
		e.registry.remove(id, at, sl.tail.newest())
		e.checkpoints.eraseDue(e.opts.Clock.Now())
		return nil
	})
	if err != nil {
		return 0, err
	}
	sl.space.MarkDeleted()
	e.sessions.DropSpace(id) // first, so that no stream queues anything more
	processor{e}.Abandon(id, e.queue.DropSpace(id), spaceDeleted(id))
	e.tellDeleted(sl)
	e.rec.SpaceDeleted(string(id))
	return live, nil
}

// Space finds a space.
func (e *Engine) Space(id memory.SpaceID) (*space.Space, error) {
	sl, err := e.registry.find(id)
	if err != nil {
		return nil, err
	}
	return sl.space, nil
}

// Spaces pages through the spaces by name.
func (e *Engine) Spaces(prefix string, after memory.SpaceID, limit int) ([]*space.Space, bool) {
	return e.registry.page(prefix, after, limit)
}
