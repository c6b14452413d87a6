// Package engramtest runs an Engram server inside a test: a whole one, with a
// journal on disk, on a loopback port of its own.
//
//	func TestRemembers(t *testing.T) {
//		srv := engramtest.Start(t)
//		// point any client at srv.URL, or a gRPC client at srv.Addr
//	}
//
// The server ends with the test, and its data with the test's directory. Kill
// and Restart show what a client makes of a server that fails and comes back:
//
//	srv.Kill()
//	srv.Restart(t) // same address, same data
package engramtest
