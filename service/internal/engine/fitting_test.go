package engine

import (
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// A batch that is more than a segment of the journal holds is kept in parts,
// and one observation that is more is rejected; neither ends the journal.
func TestABatchLargerThanASegment(t *testing.T) {
	fs := vfs.NewMem(1)
	e, _ := smallDisk(t, fs, noMarks)
	var in []Incoming
	for number := 1; number <= 60; number++ { // of 8 KiB each; a segment has 64
		in = append(in, note(number))
	}
	kept, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: in})
	if err != nil || len(kept.IDs) != 60 || len(kept.Rejections) != 0 || kept.Generation != 60 {
		t.Fatalf("%+v, %v", kept, err)
	}
	holds(t, e, 60)

	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
	huge := text("huge", strings.Repeat("x", 100<<10))
	if err := c.st.Observe(t.Context(), 1, []Incoming{note(61), huge, note(62)}); err != nil {
		t.Fatal(err)
	}
	c.acked(memory.AckVisible, 3)
	if r := c.st.Session().Rejections(1, 3); len(r) != 1 || r[0].Sequence != 2 || r[0].Reason != string(fault.TooLarge) || r[0].ObservationID != "huge" {
		t.Errorf("%+v", r)
	}
	c.st.Close()
	call, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{huge, note(63)}})
	if err != nil || len(call.Rejections) != 1 || call.Rejections[0].Reason != string(fault.TooLarge) {
		t.Errorf("%+v, %v", call, err)
	}
	holds(t, e, 63)
	if ok, why := e.Ready(); !ok {
		t.Error(why)
	}
	closeEngine(t, e)
	e, _ = smallDisk(t, fs, noMarks)
	defer closeEngine(t, e)
	holds(t, e, 63)
}
