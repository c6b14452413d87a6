package space

import (
	"errors"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// What a space takes is counted: rows until files have them, and nothing but the
// space itself when it sleeps.
func TestMemoryIsCounted(t *testing.T) {
	const dim, n = 64, 3 * chunkRows / 2
	v := embedded(11, dim)
	w := newWorld(Settings{Dimension: dim, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 4, EfConstruction: 8})
	empty := w.Memory()
	w.grow(n, v)
	w.codeAll()
	m := w.Memory()
	if least := int64(n * 4 * dim); m.Rows < least || m.Rows > 2*least {
		t.Errorf("%d rows of %d components take %d bytes", n, dim, m.Rows)
	}
	if m.Codes == 0 || m.Graph == 0 || m.IDs < n || m.Filter == 0 || m.Total() <= empty.Total() {
		t.Errorf("%+v", m)
	}
	if w.MemoryNow() != m.Total() {
		t.Errorf("%d now, %d counted", w.MemoryNow(), m.Total())
	}
	w.observe(obs("one more", v(0)...))
	if by := w.MemoryNow() - m.Total(); by < 4*dim || by > 8*dim {
		t.Errorf("a row takes %d bytes", by)
	}
	d := newDisk(t)
	w.checkpoint(t, d)
	after := w.Memory()
	if after.Rows >= m.Rows/2+chunkRows*deathBytes || after.IDs >= m.IDs {
		t.Errorf("with the first chunk in a file: %+v; before: %+v", after, m)
	}
	w.codeAll()
	w.checkpoint(t, d)
	if !w.Sleep() {
		t.Fatal("no sleep")
	}
	if m := w.Memory(); m.Total() != m.Rest {
		t.Errorf("asleep: %+v", m)
	}
}

func TestMemoryOfASpaceIsBounded(t *testing.T) {
	w := newWorld(Settings{Dimension: 3, IndexThreshold: 1 << 30})
	w.observe(many("a", 100)...)
	w.LimitMemory(w.Memory().Total() + 1000)
	if f := w.CheckQuota(1, 500); f != nil {
		t.Errorf("what there is room for is refused: %v", f)
	}
	f := w.CheckQuota(1, 2000)
	var refused *fault.Error
	if f == nil || !errors.As(error(f), &refused) || refused.Reason != fault.MemoryPressure || refused.RetryAfter == 0 {
		t.Errorf("what there is no room for: %v", f)
	}
	w.LimitMemory(0)
	if f := w.CheckQuota(1, 1<<40); f != nil {
		t.Errorf("without a limit: %v", f)
	}
}
