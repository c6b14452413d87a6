package doctor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// maxGaps bounds how many gaps are told one by one.
const maxGaps = 100

// history follows the generations of the spaces through the checkpoint and the
// journal: each has to be the one after the one before.
type history struct {
	spaces map[memory.SpaceID]*thread
	gaps   []gap
	missed int // gaps beyond maxGaps
}

type gap struct{ what, lost string }

// thread is where one space stands.
type thread struct {
	incarnation memory.Incarnation
	generation  memory.Generation // the newest
	through     journal.Position  // the checkpoint has the frames up to here
	deleted     bool
	// unknown: its manifest cannot be read, so nothing is known until a frame
	// says it.
	unknown bool
}

func newHistory() *history { return &history{spaces: map[memory.SpaceID]*thread{}} }

// base is what the checkpoint in force has of a space.
func (h *history) base(m space.ManifestInfo) {
	h.spaces[m.Space] = &thread{incarnation: m.Incarnation, generation: m.Generation, through: journal.Position(m.Through)}
}

// end is where a deleted space stopped, as the checkpoint in force has it.
func (h *history) end(name memory.SpaceID, at memory.Generation, through uint64) {
	h.spaces[name] = &thread{generation: at, through: journal.Position(through), deleted: true}
}

func (h *history) unknown(name memory.SpaceID) {
	h.spaces[name] = &thread{unknown: true}
}

// frame follows one frame of the journal.
func (h *history) frame(at journal.Position, f *journal.Frame) {
	s := h.spaces[f.Space]
	if s != nil && !s.unknown && at <= s.through {
		return
	}
	if f.Kind == journal.KindSpaceCreated {
		if s != nil && !s.unknown && (!s.deleted || f.FirstGeneration < s.generation) {
			h.gap(fmt.Sprintf("space %q, which is at generation %d, is created anew at journal position %d, from generation %d on", f.Space, s.generation, at, f.FirstGeneration),
				fmt.Sprintf("what space %q had before: a server ran on this journal without its checkpoints", f.Space))
		}
		h.spaces[f.Space] = &thread{incarnation: f.Incarnation, generation: f.FirstGeneration, through: at}
		return
	}
	last := f.FirstGeneration + memory.Generation(f.Generations) - 1
	switch {
	case s == nil:
		h.gap(fmt.Sprintf("the journal has frames of space %q from position %d on, and nothing has its beginning", f.Space, at),
			fmt.Sprintf("space %q, as far as it was kept before", f.Space))
		h.spaces[f.Space] = &thread{incarnation: f.Incarnation, generation: max(last, f.FirstGeneration), through: at}
		return
	case s.unknown:
		*s = thread{incarnation: f.Incarnation, generation: last, through: at, unknown: f.Generations == 0}
		return
	case s.deleted || s.incarnation != f.Incarnation:
		return // written while the space was being deleted
	case f.Generations == 0:
		return
	}
	if want := s.generation + 1; f.FirstGeneration > want {
		h.gap(fmt.Sprintf("space %q goes from generation %d to %d at journal position %d", f.Space, s.generation, f.FirstGeneration, at),
			fmt.Sprintf("generations %d to %d of space %q", want, f.FirstGeneration-1, f.Space))
	} else if f.FirstGeneration < want {
		h.gap(fmt.Sprintf("space %q has generation %d a second time, at journal position %d", f.Space, f.FirstGeneration, at), "")
	}
	s.generation = max(s.generation, last)
	s.deleted = f.Kind == journal.KindSpaceDeleted
}

func (h *history) gap(what, lost string) {
	if len(h.gaps) < maxGaps {
		h.gaps = append(h.gaps, gap{what, lost})
		return
	}
	h.missed++
}

// list gives the spaces that are there.
func (h *history) list() (out []Space) {
	for _, name := range slices.Sorted(maps.Keys(h.spaces)) {
		if s := h.spaces[name]; !s.deleted && !s.unknown {
			out = append(out, Space{Name: string(name), Generation: uint64(s.generation)})
		}
	}
	return out
}
