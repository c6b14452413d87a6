package engine

import (
	"testing"
	"time"

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
		over     bool // no more rows come
	}{
		{what: "a few rows", waiting: 1000, want: IndexFull},
		{"nearly many", narrowFrom - 1, admission.Overloaded, IndexFull, false},
		{"many", narrowFrom, admission.Warning, IndexNarrow, false},
		{"fewer, not few", wideBelow + 1, admission.Normal, IndexNarrow, false},
		{"few", wideBelow, admission.Normal, IndexFull, false},
		{"not few again", narrowFrom - 1, admission.Normal, IndexFull, false},
		{"many under pressure", narrowFrom, admission.Critical, IndexPaused, false},
		{"the pressure eases", narrowFrom, admission.Warning, IndexPaused, false},
		{"and is gone", narrowFrom, admission.Normal, IndexNarrow, false},
		{"pressure, too few for a pause", narrowFrom - 1, admission.Overloaded, IndexNarrow, false},
		{"enough", pauseMost/2 - 1, admission.Critical, IndexPaused, false},
		{"as many as may wait", pauseMost - 1, admission.Critical, IndexPaused, false},
		{"too many for a pause", pauseMost, admission.Overloaded, IndexNarrow, false},
		{"still", pauseMost / 2, admission.Overloaded, IndexNarrow, false},
		{"few while paused", pauseMost/2 - 1, admission.Critical, IndexPaused, false},
		{"no more come, but the pressure stays", pauseMost/2 - 1, admission.Critical, IndexPaused, true},
		{"and goes", pauseMost/2 - 1, admission.Normal, IndexFull, true},
		{"more come", pauseMost/2 - 1, admission.Normal, IndexNarrow, false},
		{"none do", pauseMost/2 - 1, admission.Overloaded, IndexFull, true},
		{"none", 0, admission.Critical, IndexFull, false},
	}
	p := IndexFull
	for _, s := range steps {
		if p = p.next(s.waiting, !s.over, s.pressure); p != s.want {
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
		coming := rapid.Bool().Draw(t, "coming")
		first := p.next(waiting, coming, l)
		if again := first.next(waiting, coming, l); again != first && first != IndexNarrow {
			t.Fatalf("%v, then %v of the same %d rows", first, again, waiting)
		}
		settled := first.next(waiting, coming, l)
		if again := settled.next(waiting, coming, l); again != settled {
			t.Fatalf("%v, then %v of the same %d rows", settled, again, waiting)
		}
		if settled == IndexFull && waiting < wideBelow {
			for _, n := range []int{waiting + 1, narrowFrom - 1, wideBelow + 1} {
				if got := settled.next(n, coming, l); got != IndexFull {
					t.Fatalf("%v of %d rows", got, n)
				}
			}
		}
	})
}

// Rows count as coming for a while after the last, and those that were there
// when a space is first looked at do not.
func TestRowsComeAndStopComing(t *testing.T) {
	var l lag
	now := time.Unix(1000, 0)
	for _, s := range []struct {
		rows  int
		after time.Duration
		want  bool
	}{
		{500_000, 0, false}, {500_000, time.Minute, false}, {500_001, time.Millisecond, true}, {500_001, comingFor - 1, true},
		{500_001, 1, false}, {500_100, time.Hour, true}, {500_200, comingFor - 1, true}, {500_200, comingFor - 1, true}, {500_200, 1, false},
	} {
		now = now.Add(s.after)
		if got := l.coming(s.rows, now); got != s.want {
			t.Errorf("%d rows after %v: %v", s.rows, s.after, got)
		}
	}
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
	sl.lag.since = e.opts.Clock.Now().Add(-time.Second)
	if r := e.Reading(); r.Spaces[0].IndexPolicy != int(IndexPaused) {
		t.Errorf("%+v", r.Spaces[0])
	}
	if st, all := e.SpaceStatus(sl.space), e.Status().Policies; st.Policy != IndexPaused || all[IndexPaused].Spaces != 1 || all[IndexFull].Spaces != 0 {
		t.Errorf("the space: %v; all: %+v", st.Policy, all)
	}
	if p := e.judge(sl); p != IndexFull {
		t.Errorf("policy %v with nothing waiting", p)
	}
	r := e.Reading()
	if r.Spaces[0].IndexPolicy != int(IndexFull) || len(r.IndexPolicyTime) != 2 || r.IndexPolicyTime[1].Policy != "paused" || r.IndexPolicyTime[1].Seconds < 1 {
		t.Errorf("%+v, %+v", r.Spaces[0], r.IndexPolicyTime)
	}
	if st, all := e.SpaceStatus(sl.space), e.Status().Policies; st.Policy != IndexFull || all[IndexFull].Spaces != 1 || all[IndexPaused].Spaces != 0 || all[IndexPaused].InForce < time.Second {
		t.Errorf("the space: %v; all: %+v", st.Policy, all)
	}
}
