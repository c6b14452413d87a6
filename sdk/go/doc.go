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
// No failure is silent: what the server rejects comes to OnRejection and is
// returned by Flush and Close; what ends the session is returned by the next
// call, by Flush, by Close and by Err.
//
// # Concurrency
//
// All methods of [Client], [Session] and [Memory] may be called from any
// goroutine, at the same time; numbers are given in the order in which Observe
// gets the session's lock. A session owns two goroutines: a sender, which alone
// sends, and, while connected, a receiver. There is none per observation or
// recall. Close or Detach ends them and waits; cancelling the context that the
// session was opened with does not, since it was for opening. Callbacks run in
// the receiver, one at a time: they must not block, since no acks come meanwhile,
// and must not call the session.
//
// The package stands outside the server's house: it imports the generated
// contract and nothing of service.
package engram
