package rpc

import (
	"log/slog"
	"sync"

	"connectrpc.com/connect/v2"

	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/engine"
)

// Handlers are the services of the contract over one engine.
//
// Owner: the server. Leave and Wait are called once, in this order, while
// draining; the engine is closed after Wait.
type Handlers struct {
	engine  *engine.Engine
	log     *slog.Logger
	version string

	readers sync.WaitGroup // goroutines of streams
	backup  sync.Mutex     // held by the one that is under way
	leaving chan struct{}
	once    sync.Once
}

// ServiceNames are the services of the contract, by their full names.
var ServiceNames = []string{
	engramv1connect.MemoryServiceName, engramv1connect.SpaceServiceName, engramv1connect.AdminServiceName,
}

// New makes the handlers.
func New(e *engine.Engine, log *slog.Logger, version string) *Handlers {
	return &Handlers{engine: e, log: log, version: version, leaving: make(chan struct{})}
}

// Register adds the services to a server.
func (h *Handlers) Register(s *connect.Server) {
	engramv1connect.RegisterMemoryServiceHandler(s, memoryService{h})
	engramv1connect.RegisterSpaceServiceHandler(s, spaceService{h})
	engramv1connect.RegisterAdminServiceHandler(s, adminService{h})
}

// Interceptors are what every call passes, outermost first.
func (h *Handlers) Interceptors() []connect.ServerInterceptor {
	return []connect.ServerInterceptor{h.Errors, Validate()}
}

// Leave ends the streams that would go on for ever: those that only watch.
func (h *Handlers) Leave() { h.once.Do(func() { close(h.leaving) }) }

// Wait waits for the goroutines of streams. Their handlers must have returned.
func (h *Handlers) Wait() { h.readers.Wait() }
