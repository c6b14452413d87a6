package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/rpc"
)

// flushTimeout bounds the export of the last spans.
const flushTimeout = 5 * time.Second

// backend is what a server needs of the engine and its handlers in order to
// stop. Its methods are called in the order they are listed in, Wait only when
// no handler is running any more.
type backend interface {
	// Ready reports whether observations are taken, and if not, why.
	Ready() (bool, string)
	// Leave ends the streams that only watch.
	Leave()
	// Drain tells every session to go away and finishes what was accepted.
	Drain(ctx context.Context) error
	// Wait waits for the goroutines of streams.
	Wait()
	// Close ends the engine and its journal.
	Close() error
}

// live is the backend outside of tests.
type live struct {
	*engine.Engine
	*rpc.Handlers
}

// stop ends everything in order: nobody new, finish, close. The drain timeout
// bounds the first two together; closing is never skipped, for it releases the
// journal.
func (s *Server) stop(web, admin *http.Server, serving *sync.WaitGroup) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain.Timeout)
	defer cancel()
	s.leave.Do(func() { close(s.leaving) }) // not ready from here on
	var b backend
	if p := s.backend.Load(); p != nil {
		b = *p
	}
	var err error
	if b != nil && !s.killed.Load() {
		b.Leave()
		if err = b.Drain(ctx); err != nil {
			err = fmt.Errorf("drain: %w", err)
		}
	}
	if s.killed.Load() || web.Shutdown(ctx) != nil {
		s.log.Warn("calls were still under way and are cut off", "after", time.Since(began).Round(time.Millisecond))
		err = errors.Join(err, ignoreClosed(web.Close()))
	}
	err = errors.Join(err, ignoreClosed(admin.Close()))
	serving.Wait()
	if b != nil {
		b.Wait()
		err = errors.Join(err, b.Close())
	}
	if s.traces != nil {
		flush, done := context.WithTimeout(context.Background(), flushTimeout)
		defer done()
		if lost := s.traces.Shutdown(flush); lost != nil {
			s.log.Warn("the last spans may be lost", "error", lost) // no reason to call the stop unclean
		}
	}
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
