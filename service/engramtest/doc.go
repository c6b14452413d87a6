// Package engramtest runs an Engram server inside a test: a whole one, with a
// journal on disk, on a loopback port of its own.
//
//	func TestRemembers(t *testing.T) {
//		srv := engramtest.Start(t)
//		// point any client at srv.URL, or a gRPC client at srv.Addr
//	}
//
// The server ends with the test, and its data with the test's directory.
package engramtest
