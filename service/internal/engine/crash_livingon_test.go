package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// TestLivingOnWithDamage damages files of the checkpoints, alone and together.
// A server that starts reports it, serves what is sound, and its next
// checkpoints succeed: the journal must not grow for ever.
func TestLivingOnWithDamage(t *testing.T) {
	r := left(t)
	names, err := r.disk.List("data.checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.Contains(n, "lock") })
	kinds := map[string]func(*vfs.Mem, string) error{
		"flipped": func(disk *vfs.Mem, name string) error {
			return edited(disk, name, flipBit(300, 3))
		},
		"cut off": func(disk *vfs.Mem, name string) error {
			return edited(disk, name, func(f vfs.File) error { return f.Truncate(200) })
		},
		"missing": func(disk *vfs.Mem, name string) error {
			return errors.Join(disk.Remove(name), disk.SyncDir("data.checkpoints"))
		},
	}
	for kind, damage := range kinds {
		for set := 1; set < 1<<len(names); set++ {
			disk := r.disk.Synced()
			var hit []string
			for i, name := range names {
				if set&(1<<i) != 0 {
					hit = append(hit, name)
					if err := damage(disk, "data.checkpoints/"+name); err != nil {
						t.Fatal(err)
					}
				}
			}
			said, err := r.liveOn(t, disk, kind != "missing")
			if err != nil {
				t.Errorf("%s: %v: %v", kind, hit, err)
				continue
			}
			t.Logf("%s: %v: %s", kind, hit, said)
		}
	}
}

func edited(disk *vfs.Mem, name string, change func(vfs.File) error) error {
	f, err := disk.OpenReadWrite(name)
	if err != nil {
		return err
	}
	return errors.Join(change(f), f.Sync(), f.Close())
}

// liveOn starts on damaged remains, uses what is sound, and starts again. told
// says that the damage has to be reported: a catalog that is missing, or a file
// that only that one needed, can be no loss that anybody knows of.
func (r *remains) liveOn(t *testing.T, disk *vfs.Mem, told bool) (said string, err error) {
	w, err := newWorld(t.Context(), disk, r.now, slices.Clip(slices.Clone(r.notes)), nil)
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Code == fault.DataLoss, errors.Is(err, fs.ErrNotExist):
		return "refused: " + err.Error(), nil
	case err != nil:
		return "", err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, w.stop(false))
		}
	}()
	broken := map[memory.SpaceID]bool{}
	look := func() error {
		m := w.l.model()
		for id := range m.names {
			learned, err := checkName(w.ctx, w.e, m, id)
			switch {
			case reasonOf(err) == fault.SpaceDamaged:
				broken[id] = true
			case err != nil:
				return err
			case broken[id]:
				return fmt.Errorf("space %q was refused and is served", id)
			}
			for _, n := range learned {
				w.l.add(n)
			}
		}
		return nil
	}
	if err := look(); err != nil {
		return "", err
	}
	w.e.scrub(w.ctx)
	if (told || len(broken) > 0) && len(w.e.Status().Checkpoint.Damage) == 0 {
		return "", errors.New("not reported")
	}
	a := newAuthor(w)
	use := func() error {
		for id := range w.l.model().names {
			if broken[id] {
				continue
			}
			w.n++
			key := fmt.Sprintf("new-%s-%d", id, w.n)
			if err := w.call(key, id, a.mixed(key, 4), false); err != nil {
				return err
			}
		}
		return w.checkpoint(CheckpointWish{})
	}
	if err := steps(use, use, use, look); err != nil {
		return "", err
	}
	catalog, usage := w.e.store.Latest(), w.e.journal.Usage()
	running = false
	if err := errors.Join(w.stop(false), w.start()); err != nil {
		return "", err
	}
	running = true
	return fmt.Sprintf("%d spaces refused; catalog %d at %d, journal from %d to %d", len(broken), catalog.Number, catalog.Position, usage.First, usage.Durable), steps(look, use)
}
