package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
)

// feed is a stream to the engine and what came back on it.
type feed struct {
	st   *Stream
	done chan struct{}

	mu      sync.Mutex
	visible memory.Sequence
	ended   bool
	refused *fault.Error
	err     error
	changed chan struct{}
}

// dial opens or resumes a session.
func (w *world) dial(key string, id memory.SpaceID) error {
	o := OpenStream{Space: id, Lane: memory.LaneNormal, Levels: []memory.AckLevel{memory.AckDurable, memory.AckVisible}}
	s := w.l.model().sessions[key]
	if s != nil {
		o.Session, o.Space = s.id, s.space
	} else {
		w.need(id)
	}
	st, err := w.e.Open(w.ctx, o)
	if err != nil {
		return fmt.Errorf("open session %s: %w", key, err)
	}
	life := w.l.model().alive(o.Space).n
	wel := st.Welcome()
	w.l.add(line{kind: opened, session: key, id: wel.ID, space: o.Space, life: life})
	w.l.add(line{kind: told, session: key, seq: wel.Durable, space: o.Space, life: life})
	f := &feed{st: st, done: make(chan struct{}), changed: make(chan struct{})}
	w.feeds[key] = f
	go w.listen(key, f)
	return nil
}

func (w *world) listen(key string, f *feed) {
	defer close(f.done)
	for {
		events, err := f.st.Next(w.ctx, nil)
		f.mu.Lock()
		for _, ev := range events {
			switch ev := ev.(type) {
			case session.Ack:
				w.l.add(line{kind: told, session: key, seq: ev.Through, gen: ev.Generation})
				if ev.Level == memory.AckVisible {
					f.visible = ev.Through
				}
			case session.Refusal:
				f.refused = ev.Fault
			case session.Ended:
				w.l.add(line{kind: ended, session: key})
				f.ended = true
			}
		}
		f.err = err
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *world) hangUp(key string) {
	if f := w.feeds[key]; f != nil {
		delete(w.feeds, key)
		f.st.Close()
		<-f.done
	}
}

// await waits until a feed has come as far as ok says.
func (f *feed) await(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, crashPatience)
	defer cancel()
	for {
		f.mu.Lock()
		there, err, changed := ok(), f.err, f.changed
		if f.refused != nil {
			err = f.refused
		}
		f.mu.Unlock()
		switch {
		case there:
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
