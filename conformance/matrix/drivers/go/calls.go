package main

import (
	"context"
	"iter"
	"math"

	engram "github.com/engram-stream/engram/sdk/go"
)

func observeCall(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	var batch []engram.Observation
	for n := s.From; n <= s.To; n++ {
		batch = append(batch, s.Make.one(n))
	}
	var opts []engram.ObserveOption
	if s.WaitFor != "" {
		opts = append(opts, engram.WaitFor(levels[s.WaitFor]))
	}
	if s.MustExist {
		opts = append(opts, engram.MustExist())
	}
	if s.Session != "" {
		d.mu.Lock()
		opts = append(opts, engram.InSession(d.calls[s.Session], s.First)) // "new" has no id yet
		d.mu.Unlock()
	}
	out, err := c.Observe(ctx, s.Space, batch, opts...)
	if err != nil {
		return nil, err
	}
	if s.As != "" {
		d.mu.Lock()
		d.calls[s.As] = out.SessionID
		d.mu.Unlock()
	}
	if len(out.Rejections) > 0 { // in Go they are part of the answer
		return nil, &engram.RejectedError{Rejections: out.Rejections}
	}
	return object{"ids": out.IDs, "generation": out.Generation, "duplicates": out.Duplicates, "next": out.NextSequence}, nil
}

func (d *driver) recallOptions(s step) (opts []engram.RecallOption) {
	if s.Limit > 0 {
		opts = append(opts, engram.Limit(s.Limit))
	}
	if s.MinSimilarity != nil {
		opts = append(opts, engram.MinSimilarity(*s.MinSimilarity))
	}
	if s.Filter != nil {
		opts = append(opts, engram.Matching(s.Filter.toSDK()))
	}
	if s.Exact {
		opts = append(opts, engram.Exact())
	}
	if s.Vectors {
		opts = append(opts, engram.WithVectors())
	}
	switch c := s.Consistency; {
	case c == nil:
	case c.AsOf != "":
		d.mu.Lock()
		opts = append(opts, engram.AsOf(d.commits[c.AsOf].CommittedAt))
		d.mu.Unlock()
	case c.At > 0:
		opts = append(opts, engram.At(c.At))
	default:
		opts = append(opts, engram.AtLeast(c.AtLeast))
	}
	return opts
}

func recall(d *driver, ctx context.Context, s step) (object, error) {
	opts := d.recallOptions(s)
	var found *engram.Recall
	var err error
	if s.In != "" {
		found, err = d.session(s.In).memory.Recall(ctx, s.Cue.toSDK(), opts...)
	} else if c, failed := d.client(s); failed != nil {
		return nil, failed
	} else {
		found, err = c.Recall(ctx, s.Space, s.Cue.toSDK(), opts...)
	}
	if err != nil {
		return nil, err
	}
	if s.As != "" {
		d.mu.Lock()
		d.commits[s.As] = found
		d.mu.Unlock()
	}
	out := resultsOf(found.Results)
	vectors := [][]float32{}
	if s.Vectors {
		for _, r := range found.Results {
			vectors = append(vectors, r.Observation.Vector)
		}
	}
	out["generation"], out["vectors"] = found.Generation, vectors
	return out, nil
}

func resultsOf(list []engram.Result) object {
	ids, similarities, generations := []string{}, []float64{}, []uint64{}
	for _, r := range list {
		ids = append(ids, r.Observation.ID)
		similarities = append(similarities, math.Round(float64(r.Similarity)*1e4)/1e4)
		generations = append(generations, r.Generation)
	}
	return object{"ids": ids, "similarities": similarities, "generations": generations}
}

func recallStream(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	var all []engram.Result
	for r, err := range c.RecallStream(ctx, s.Space, s.Cue.toSDK(), d.recallOptions(s)...) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return resultsOf(all), nil
}

func list(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	return collect(c.List(ctx, s.Space, s.Since, s.filter()), math.MaxInt)
}

func watch(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	return collect(c.WatchSpace(ctx, s.Space, &s.Since, s.filter()), s.Count)
}

func (s step) filter() *engram.Filter {
	if s.Filter == nil {
		return nil
	}
	f := s.Filter.toSDK()
	return &f
}

// collect reads the first count of what comes, and breaks off then.
func collect(from iter.Seq2[engram.Stored, error], count int) (object, error) {
	ids, generations := []string{}, []uint64{}
	for o, err := range from {
		if err != nil {
			return nil, err
		}
		ids, generations = append(ids, o.ID), append(generations, o.Generation)
		if len(ids) == count {
			break
		}
	}
	return object{"ids": ids, "generations": generations}, nil
}

func get(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	found, missing, err := c.Get(ctx, s.Space, s.IDs...)
	if err != nil {
		return nil, err
	}
	list := []object{}
	for _, o := range found {
		one := object{
			"id": o.ID, "content": o.Content, "vector": append([]float32{}, o.Vector...), "metadata": o.Metadata, "confidence": wide(o.Confidence),
			"importance": o.Importance, "emotional_valence": o.EmotionalValence, "decay_rate": o.DecayRate,
			"location": o.Context.Location, "participants": append([]string{}, o.Context.Participants...), "reason": o.Context.Reason, "method": o.Context.Method,
			"generation": o.Generation, "observed_at": o.ObservedAt.UnixMilli(),
		}
		list = append(list, one)
	}
	return object{"found": list, "missing": append([]string{}, missing...)}, nil
}

func forget(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	var n uint64
	if s.Filter != nil {
		n, err = c.ForgetWhere(ctx, s.Space, s.Filter.toSDK())
	} else {
		n, err = c.Forget(ctx, s.Space, s.IDs...)
	}
	return object{"forgotten": n}, err
}

func closeClient(d *driver, _ context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	c.Close()
	return object{}, nil
}

// wide keeps JSON from rounding a binary32 to its shortest form.
func wide(v *float32) any {
	if v == nil {
		return nil
	}
	return float64(*v)
}
