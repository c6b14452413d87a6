package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// Damage is known before anybody needs what is damaged.
func TestScrubFindsDamage(t *testing.T) {
	fs := vfs.NewMem(1)
	c := clock.NewManual(time.Unix(1_700_000_000, 0))
	e := start(t, fs, func(o *Options) { o.Clock = c })
	defer closeEngine(t, e)
	keepTexts(t, e, "notes", text("a", "one"), text("b", "two"))
	checkpointNow(t, e, CheckpointWish{})
	e.scrubIfDue(t.Context())
	if d := e.Status().Checkpoint.Damage; len(d) != 0 {
		t.Fatalf("damage without any: %q", d)
	}
	file := e.registry.lookup("notes").entry.Manifest.File
	f, err := fs.OpenReadWrite(fmt.Sprintf("data.checkpoints/%016x.ckpt", uint64(file)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff, 0x00, 0xff}, 150); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	e.scrubIfDue(t.Context()) // not yet a day later
	if d := e.Status().Checkpoint.Damage; len(d) != 0 {
		t.Fatalf("scrubbed before its time: %q", d)
	}
	c.Advance(25 * time.Hour)
	e.scrubIfDue(t.Context())
	if d := e.Status().Checkpoint.Damage; len(d) != 1 {
		t.Fatalf("damage %q", d)
	}
	if r := e.Reading(); r.Damage != 1 {
		t.Errorf("the gauge shows %d", r.Damage)
	}
}
