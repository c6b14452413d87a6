//go:build conformance

package main

import (
	"context"
	"time"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
)

// cancelling ends a call when its case says so.
type cancelling struct {
	cancel     context.CancelFunc
	before     bool          // in place of closing the way out
	afterClose time.Duration // after closing it; negative: never
	responses  int           // after so many; negative: never
}

func cancellingOf(req *v1.ClientCompatRequest, cancel context.CancelFunc) cancelling {
	c := cancelling{cancel: cancel, afterClose: -1, responses: -1}
	if req.Cancel == nil {
		return c
	}
	switch timing := req.Cancel.CancelTiming.(type) {
	case *v1.ClientCompatRequest_Cancel_BeforeCloseSend:
		c.before = true
	case *v1.ClientCompatRequest_Cancel_AfterCloseSendMs:
		c.afterClose = time.Duration(timing.AfterCloseSendMs) * time.Millisecond
	case *v1.ClientCompatRequest_Cancel_AfterNumResponses:
		c.responses = int(timing.AfterNumResponses)
	default:
		c.afterClose = 0
	}
	return c
}

// sent is called once everything is sent, before the way out is closed.
func (c cancelling) sent() {
	if c.before {
		c.cancel()
	}
}

// closed is called once the way out is closed. What it begins ends with stop.
func (c cancelling) closed() (stop func()) {
	if c.afterClose < 0 {
		return func() {}
	}
	t := time.AfterFunc(c.afterClose, c.cancel)
	return func() { t.Stop() }
}

// received is called with the number of messages that have come.
func (c cancelling) received(n int) {
	if n == c.responses {
		c.cancel()
	}
}
