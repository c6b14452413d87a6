//go:build conformance

// Command client is the client under test: it makes the calls that the suite's
// runner asks for over what the Go SDK's Dial makes, and tells what came back.
// It reads ClientCompatRequests until its input ends, and answers each, in any
// order, with a ClientCompatResponse.
//
// Where a case is about something the SDK never uses (HTTP/1.1, gRPC-Web, JSON,
// GET, certificates of its own), it is switched on beside the SDK's settings;
// everything else is as Dial leaves it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
	"github.com/engram-stream/engram/conformance/connect/wire"
)

// parallel bounds the calls that are under way at once.
const parallel = 32

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "client under test:", err)
		os.Exit(1)
	}
}

// run makes the calls that come from in, each in a goroutine that it waits for,
// and writes their results to out, one at a time.
func run(in io.Reader, out io.Writer) error {
	var (
		connections connections
		calls       sync.WaitGroup
		mu          sync.Mutex // guards out and failed
		failed      error
	)
	defer connections.close()
	places := make(chan struct{}, parallel)
	requests := bufio.NewReader(in)
	for {
		req := new(v1.ClientCompatRequest)
		if err := wire.Read(requests, req); err != nil {
			calls.Wait()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, failed)
		}
		places <- struct{}{}
		calls.Go(func() {
			defer func() { <-places }()
			res := &v1.ClientCompatResponse{TestName: req.TestName}
			if result, err := invoke(context.Background(), &connections, req); err != nil {
				res.Result = &v1.ClientCompatResponse_Error{Error: &v1.ClientErrorResult{Message: err.Error()}}
			} else {
				res.Result = &v1.ClientCompatResponse_Response{Response: result}
			}
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, wire.Write(out, res))
		})
	}
}
