//go:build !failpoints

package failpoint_test

import (
	"errors"
	"testing"

	"github.com/engram-stream/engram/service/internal/failpoint"
)

func TestDisabled(t *testing.T) {
	if failpoint.Enabled {
		t.Fatal("enabled without the tag")
	}
	if err := failpoint.Set(failpoint.WorkerBatch, "error"); !errors.Is(err, failpoint.ErrDisabled) {
		t.Fatalf("Set = %v, want ErrDisabled", err)
	}
	failpoint.Reset()
	if err := failpoint.Hit(failpoint.WorkerBatch); err != nil {
		t.Fatalf("Hit = %v", err)
	}
}
