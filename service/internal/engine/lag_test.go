package engine

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestIndexPolicyFollowsTheBacklog(t *testing.T) {
	steps := []struct {
		what     string
		waiting  int
		pressure admission.Level
		want     IndexPolicy
	}{
		{"a few rows", 1000, admission.Normal, IndexFull},
		{"nearly many", narrowFrom - 1, admission.Overloaded, IndexFull},
		{"many", narrowFrom, admission.Warning, IndexNarrow},
		{"fewer, not few", wideBelow + 1, admission.Normal, IndexNarrow},
		{"few", wideBelow, admission.Normal, IndexFull},
		{"not few again", narrowFrom - 1, admission.Normal, IndexFull},
		{"many under pressure", narrowFrom, admission.Critical, IndexPaused},
		{"the pressure eases", narrowFrom, admission.Warning, IndexPaused},
		{"and is gone", narrowFrom, admission.Normal, IndexNarrow},
		{"pressure, too few for a pause", narrowFrom - 1, admission.Overloaded, IndexNarrow},
		{"enough", pauseMost/2 - 1, admission.Critical, IndexPaused},
		{"as many as may wait", pauseMost - 1, admission.Critical, IndexPaused},
		{"too many for a pause", pauseMost, admission.Overloaded, IndexNarrow},
		{"still", pauseMost / 2, admission.Overloaded, IndexNarrow},
		{"few while paused", pauseMost/2 - 1, admission.Critical, IndexPaused},
		{"none", 0, admission.Critical, IndexFull},
	}
	p := IndexFull
	for _, s := range steps {
		if p = p.next(s.waiting, s.pressure); p != s.want {
			t.Fatalf("%s: %v, want %v", s.what, p, s.want)
		}
	}
}

// Whatever the policy, looking again at the same backlog changes nothing, and a
// backlog that wavers by less than the hysteresis does not either.
func TestIndexPolicyDoesNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.Custom(func(t *rapid.T) admission.Level {
			return admission.Level(rapid.IntRange(int(admission.Normal), int(admission.Overloaded)).Draw(t, "level"))
		})
		p := IndexPolicy(rapid.IntRange(0, IndexPolicyCount-1).Draw(t, "policy"))
		waiting, l := rapid.IntRange(0, 2*pauseMost).Draw(t, "waiting"), level.Draw(t, "pressure")
		first := p.next(waiting, l)
		if again := first.next(waiting, l); again != first && first != IndexNarrow {
			t.Fatalf("%v, then %v of the same %d rows", first, again, waiting)
		}
		settled := first.next(waiting, l)
		if again := settled.next(waiting, l); again != settled {
			t.Fatalf("%v, then %v of the same %d rows", settled, again, waiting)
		}
		if settled == IndexFull && waiting < wideBelow {
			for _, n := range []int{waiting + 1, narrowFrom - 1, wideBelow + 1} {
				if got := settled.next(n, l); got != IndexFull {
					t.Fatalf("%v of %d rows", got, n)
				}
			}
		}
	})
}

// A space that lags is indexed narrower, shows it, and is as configured again
// when it has caught up.
func TestALaggingSpaceShowsItsPolicy(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	if _, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{text("a", "kettle")}}); err != nil {
		t.Fatal(err)
	}
	sl := e.registry.lookup("notes")
	sl.lag.policy.Store(int32(IndexPaused)) // as a pressed worker left it
	sl.lag.since = e.opts.Clock.Now().Add(-1e9)
	if r := e.Reading(); r.Spaces[0].IndexPolicy != int(IndexPaused) {
		t.Errorf("%+v", r.Spaces[0])
	}
	if p := e.judge(sl); p != IndexFull {
		t.Errorf("policy %v with nothing waiting", p)
	}
	r := e.Reading()
	if r.Spaces[0].IndexPolicy != int(IndexFull) || len(r.IndexPolicyTime) != 2 || r.IndexPolicyTime[1].Policy != "paused" || r.IndexPolicyTime[1].Seconds < 1 {
		t.Errorf("%+v, %+v", r.Spaces[0], r.IndexPolicyTime)
	}
}
