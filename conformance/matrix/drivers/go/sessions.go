package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// session is one that is open, and what its callbacks were told. mu guards what
// is below it.
type session struct {
	*engram.Session
	memory *engram.Memory // nil unless it recalls

	mu         sync.Mutex
	levels     map[engram.Level]uint64
	backwards  bool
	rejections []engram.Rejection
	states     []string
	pressed    bool
}

var levels = map[string]engram.Level{"accepted": engram.Accepted, "durable": engram.Durable, "visible": engram.Visible, "indexed": engram.Indexed}

func (s *session) listeners() []engram.SessionOption {
	return []engram.SessionOption{
		engram.OnAck(func(level engram.Level, through, _ uint64) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.backwards = s.backwards || through < s.levels[level]
			s.levels[level] = max(s.levels[level], through)
		}),
		engram.OnRejection(func(r engram.Rejection) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.rejections = append(s.rejections, r)
		}),
		engram.OnStatus(func(st engram.Status) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !slices.Contains(s.states, st.State) {
				s.states = append(s.states, st.State)
			}
			s.pressed = s.pressed || st.Pressure > 0.5
		}),
	}
}

func (d *driver) session(name string) *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sessions[name]
}

func (d *driver) settings(s step) (opts []engram.SessionOption, resumed string) {
	if s.Resume != "" {
		resumed = d.session(s.Resume).ID()
	} else {
		resumed = s.ResumeID
	}
	if resumed != "" {
		opts = append(opts, engram.Resume(resumed))
	}
	if s.MustExist {
		opts = append(opts, engram.SpaceMustExist())
	}
	if s.FlushTo != "" {
		opts = append(opts, engram.FlushTo(levels[s.FlushTo]))
	}
	if s.Batch > 0 {
		opts = append(opts, engram.WithBatching(s.Batch, 1<<20, 2*time.Millisecond))
	}
	if s.Buffer > 0 {
		opts = append(opts, engram.WithBuffer(s.Buffer, 64<<20))
	}
	if s.NonBlocking {
		opts = append(opts, engram.NonBlocking())
	}
	if s.ConnectTimeoutMs > 0 {
		opts = append(opts, engram.ConnectTimeout(time.Duration(s.ConnectTimeoutMs)*time.Millisecond))
	}
	if s.ReconnectForMs > 0 {
		opts = append(opts, engram.ReconnectFor(time.Duration(s.ReconnectForMs)*time.Millisecond))
	}
	return opts, resumed
}

func open(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	opts, resumed := d.settings(s)
	one := &session{levels: map[engram.Level]uint64{}}
	opts = append(opts, one.listeners()...)
	if s.Memory {
		if one.memory, err = c.OpenMemory(ctx, s.Space, opts...); err == nil {
			one.Session = one.memory.Session
		}
	} else {
		one.Session, err = c.OpenSession(ctx, s.Space, opts...)
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.sessions[s.As] = one
	d.mu.Unlock()
	return object{"resumed": resumed != "" && one.ID() == resumed}, nil
}

func observe(d *driver, ctx context.Context, s step) (object, error) {
	one := d.session(s.In)
	var first, last uint64
	gapless := true
	for n := s.From; n <= s.To; n++ {
		seq, err := one.observe(ctx, s, n)
		if err != nil {
			return object{"after": n - s.From}, err
		}
		if n == s.From {
			first = seq
		} else {
			gapless = gapless && seq == last+1
		}
		last = seq
	}
	return object{"first": first, "last": last, "gapless": gapless}, nil
}

func (s *session) observe(ctx context.Context, st step, n int) (uint64, error) {
	if st.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, st.timeout())
		defer cancel()
	}
	return s.Observe(ctx, st.Make.one(n))
}

func flush(d *driver, ctx context.Context, s step) (object, error) {
	return object{}, d.session(s.In).Flush(ctx)
}

func closeSession(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.session(s.In).Close(ctx)
	if err != nil {
		return nil, err
	}
	return object{
		"final": c.FinalSequence, "accepted": c.Accepted, "rejected": c.Rejected, "refused": c.Refused,
		"duplicates": c.Duplicates, "inferred": c.Inferred,
	}, nil
}

func detach(d *driver, ctx context.Context, s step) (object, error) {
	return object{}, d.session(s.In).Detach(ctx)
}

// ended asks again and again: the SDK has no event for the end of a session.
func ended(d *driver, ctx context.Context, s step) (object, error) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if err := d.session(s.In).Err(); err != nil {
			var e *engram.Error
			if errors.As(err, &e) {
				return object{"code": e.Code, "reason": e.Reason}, nil
			}
			return nil, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func stats(d *driver, _ context.Context, s step) (object, error) {
	st := d.session(s.In).Stats()
	return object{
		"observed": st.Observed, "sent": st.Sent, "resent": st.Resent, "durable": st.Durable,
		"rejected": st.Rejected, "refused": st.Refused, "reconnects": st.Reconnects,
	}, nil
}

func heard(d *driver, _ context.Context, s step) (object, error) {
	one := d.session(s.In)
	one.mu.Lock()
	defer one.mu.Unlock()
	return object{
		"durable": one.levels[engram.Durable], "visible": one.levels[engram.Visible], "monotone": !one.backwards,
		"rejections": rejections(one.rejections), "states": append([]string{}, slices.Sorted(slices.Values(one.states))...), "pressed": one.pressed,
	}, nil
}
