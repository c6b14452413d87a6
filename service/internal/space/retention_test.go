package space

import (
	"fmt"
	"testing"
	"time"
)

func TestRetentionBySize(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	for i := range 10 {
		w.observe(obs(fmt.Sprintf("id-%d", i), 1, float32(i)))
	}
	size := w.Stats().Bytes
	set := w.Settings()
	set.Retention.MaxBytes = size
	w.Update(set)
	if f, _ := w.PrepareRetention(); f != nil {
		t.Fatal("something goes although everything fits")
	}
	set.Retention.MaxBytes = size / 2
	w.Update(set)
	f, gens := w.PrepareRetention()
	mustEqual(t, "what goes", gens, "[1 2 3 4 5]")
	w.ApplyForget(f, gens)
	if f, _ := w.PrepareRetention(); f != nil {
		t.Fatal("more goes than has to")
	}
}

func TestRetentionWakesNobodyInVain(t *testing.T) {
	d := newDisk(t)
	w := newWorld(Settings{Dimension: 2, Retention: Retention{MaxAge: time.Hour, MaxObservations: 5, MaxBytes: 1 << 20}})
	w.observe(obs("a", 1, 0), obs("b", 0, 1))
	w.checkpoint(t, d)
	w = w.restored(t, d)
	if w.RetentionDue(w.clock.Now()) {
		t.Fatal("due at once")
	}
	w.clock.Advance(61 * time.Minute)
	if !w.RetentionDue(w.clock.Now()) {
		t.Fatal("not due after an hour")
	}
	if w.Stats().Awake {
		t.Fatal("asking woke it")
	}
	if err := w.Wake(); err != nil {
		t.Fatal(err)
	}
	f, gens := w.PrepareRetention()
	mustEqual(t, "what goes", gens, "[1 2]")
	w.ApplyForget(f, gens)
	w.checkpoint(t, d)
	if w = w.restored(t, d); w.RetentionDue(w.clock.Now()) {
		t.Fatal("due with nothing left")
	}
}
