package engram

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
)

// Ack says that every number up to Through was kept, or rejected, at a level.
type Ack struct {
	Level   Level // a number beyond Indexed is of a newer server
	Through uint64
	// Generation is the one at which the last of them is visible, if it is.
	Generation uint64
}

// feed is what a session tells to those who iterate. It never grows with the
// stream: what has the same key as something not yet taken replaces it. The
// session's mu guards it.
type feed[T any] struct{ readers map[*reader[T]]struct{} }

// reader is one who iterates, and what it has not taken yet, in order.
type reader[T any] struct {
	pending []T
	keys    map[uint64]int // into pending
}

func (f *feed[T]) put(key uint64, x T) {
	for r := range f.readers {
		if i, ok := r.keys[key]; ok {
			r.pending[i] = x
		} else if len(r.pending) < maxKept {
			r.keys[key] = len(r.pending)
			r.pending = append(r.pending, x)
		}
	}
}

// read iterates over a feed of s from now on, until s is over or ctx ends.
func read[T any](ctx context.Context, s *Session, f *feed[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		r := &reader[T]{keys: map[uint64]int{}}
		s.mu.Lock()
		if f.readers == nil {
			f.readers = map[*reader[T]]struct{}{}
		}
		f.readers[r] = struct{}{}
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(f.readers, r)
		}()
		for {
			list, err := take(ctx, s, r)
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
			if len(list) > 0 {
				continue
			}
			if !errors.Is(err, ErrClosed) {
				var none T
				yield(none, err)
			}
			return
		}
	}
}

// take waits for something to read, and gives all of it, or why nothing comes.
func take[T any](ctx context.Context, s *Session, r *reader[T]) ([]T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(r.pending) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		if err := s.waitLocked(ctx); err != nil {
			return nil, err
		}
	}
	list := r.pending
	r.pending = nil
	clear(r.keys)
	return list, nil
}

// Acks iterates over acks from now on. Of those not taken in time the newest of
// each level counts. It ends with the session, with ctx, or when it is broken
// off; what ended a session by itself is yielded last.
func (s *Session) Acks(ctx context.Context) iter.Seq2[Ack, error] { return read(ctx, s, &s.acks) }

// Pressure iterates over changes of the pressure from now on, as Acks does; of
// those not taken in time the newest counts.
func (s *Session) Pressure(ctx context.Context) iter.Seq2[Status, error] {
	return read(ctx, s, &s.pressure)
}

// Rejections iterates over rejections from now on, as Acks does. At most 10,000
// wait to be taken; Flush counts them all.
func (s *Session) Rejections(ctx context.Context) iter.Seq2[Rejection, error] {
	return read(ctx, s, &s.rejections)
}

// PanicError is a panic of a callback, which runs where nobody could recover from
// it. The session goes on; the next Flush, Close or Detach returns it.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("engram: a callback panicked: %v", e.Value) }

// Unwrap gives the value of the panic, if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// tell runs a callback and keeps its panic for whoever waits next.
func (s *Session) tell(callback func()) {
	defer func() {
		if p := recover(); p != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.thrown == nil {
				s.thrown = &PanicError{p, debug.Stack()}
			}
		}
	}()
	callback()
}

func (s *Session) tellAck(a Ack) {
	if s.opts.onAck != nil {
		s.tell(func() { s.opts.onAck(a.Level, a.Through, a.Generation) })
	}
}
