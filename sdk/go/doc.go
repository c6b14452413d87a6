// Package engram is the Go client of Engram, the streaming memory server.
//
//	c, err := engram.Dial("127.0.0.1:50051")
//	...
//	defer c.Close()
//	s, err := c.OpenSession(ctx, "notes")
//	...
//	s.Observe(ctx, engram.Observation{Content: "the kettle is in the red box"})
//	s.Flush(ctx) // everything so far is kept, and recall finds it
//	found, err := c.Recall(ctx, "notes", engram.ByText("where is the kettle?"))
//
// # Sessions
//
// A [Session] is a numbered stream of observations into one space. It batches,
// obeys the credits the server grants, sends again what was refused, and when
// the connection breaks it reconnects with growing pauses and resumes where
// the server says. It keeps every observation until the server has it on
// stable storage, so nothing is lost and nothing is applied twice.
//
// No failure is silent: what the server rejects comes to OnRejection and
// [Session.Rejections] and is returned by Flush and Close; what ends the session
// is returned by every later call and by Err; what a callback panics with is
// returned by the next Flush or Close; a session that is left open when its client
// is closed is logged as a warning if anything may be lost. Go runs nothing at the
// end of a program, so a client that is not closed says nothing.
//
// # Errors
//
// Every error of the package is an [*Error], a [*RejectedError] or a
// [*PanicError], or a join of the last two. An end of the caller's context is
// wrapped, so errors.Is finds it. Calls outside sessions are made once: Retryable
// says whether the same call may succeed later, and RetryAfter when.
//
// # Concurrency
//
// All methods of [Client], [Session] and [Memory] may be called from any
// goroutine, at the same time; numbers are given in the order in which Observe
// gets the session's lock. A session owns two goroutines: a sender, which alone
// sends, and, while connected, a receiver. There is none per observation or
// recall. Close or Detach ends them and waits; cancelling the context that the
// session was opened with does not, since it was for opening. Closing the client
// ends the sessions that are left open. Callbacks run in the session's own
// goroutines, one at a time: they must not block, since no acks come meanwhile,
// and must not call the session.
//
// The package stands outside the server's house: it imports the generated
// contract and nothing of service.
package engram
