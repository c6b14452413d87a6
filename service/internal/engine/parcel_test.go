package engine

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// parcelOf copies a batch into a parcel, as what comes from the wire is.
func parcelOf(e *Engine, in []Incoming) *Parcel {
	n := 0
	for i := range in {
		if o := in[i].Observation; o != nil {
			n += len(o.Vector)
		}
	}
	p := e.Parcel(len(in), n)
	room := p.Vectors
	for i := range in {
		p.In[i] = in[i]
		if o := in[i].Observation; o != nil {
			p.Observations[i] = *o
			p.In[i].Observation = &p.Observations[i]
			if n := len(o.Vector); o.Vector != nil {
				copy(room, o.Vector)
				p.Observations[i].Vector, room = room[:n:n], room[n:]
			}
		}
	}
	return p
}

func takeParcel(ctx context.Context, st *Stream, first memory.Sequence, in []Incoming) error {
	return st.Take(ctx, first, parcelOf(st.engine, in))
}

// What streams send in parcels that serve all of them is kept as each of them
// sent it: rejected, refused, repeated or visible. Once the engine has nothing
// more to do, nobody holds a parcel, and none refers to what it carried.
func TestParcelsServeAllStreams(t *testing.T) {
	const streams, frames, batch, dim = 4, 40, 12, 5
	e := start(t, vfs.NewMem(1), nil)
	if _, err := e.Observe(t.Context(), Batch{Space: "shared", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{vec(1, 2, 3, 4, 5)}}); err != nil {
		t.Fatal(err)
	}
	var (
		mu   sync.Mutex
		used []*Parcel
		sent = map[memory.ObservationID]Incoming{}
		all  sync.WaitGroup
	)
	for s := range streams {
		c := attach(t, e, OpenStream{Space: "shared", Lane: memory.LaneNormal})
		all.Go(func() {
			defer c.st.Close()
			var next memory.Sequence = 1
			for f := range frames {
				in := make([]Incoming, 0, batch)
				for i := range 1 + (f+s)%batch {
					id := fmt.Sprintf("%d-%d-%d", s, f, i)
					one := text(id, "content of "+id)
					one.Observation.Vector, one.Observation.Encoding = make([]float32, dim), memory.EncodingF32Bytes
					for k := range dim {
						one.Observation.Vector[k] = float32(s*1000+f*batch+i) + float32(k+1)/8
					}
					if one.Observation.Digest, _ = memory.DigestOf(one.Observation); i%7 == 5 {
						one = Incoming{ClaimedID: memory.ObservationID(id), Fault: fault.New(fault.InvalidArgument, fault.InvalidField, "cannot be read"), Bytes: 9}
					}
					in = append(in, one)
				}
				p := parcelOf(e, in)
				mu.Lock()
				used = append(used, p)
				for _, one := range in {
					if one.Observation != nil {
						sent[one.Observation.ID] = one
					}
				}
				mu.Unlock()
				first := next
				if f%5 == 4 {
					first = 1 // which is over: nothing of it is taken
				} else {
					next += memory.Sequence(len(in))
				}
				if first == 1 && f > 0 {
					mu.Lock()
					for _, one := range in {
						if one.Observation != nil {
							delete(sent, one.Observation.ID)
						}
					}
					mu.Unlock()
				}
				if err := c.st.Take(t.Context(), first, p); err != nil {
					t.Errorf("stream %d, frame %d: %v", s, f, err)
					return
				}
				if f%3 == 0 { // else several are on their way
					if _, err := c.st.Session().Wait(t.Context(), memory.AckVisible, next-1); err != nil {
						t.Error(err)
						return
					}
				}
			}
			if _, err := c.st.Session().Wait(t.Context(), memory.AckVisible, next-1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var ids []memory.ObservationID
	for id := range sent {
		ids = append(ids, id)
	}
	found, missing, _, err := e.Get("shared", ids)
	if err != nil || len(missing) > 0 || len(found) != len(sent) {
		t.Fatalf("%d of %d are found, not %v: %v", len(found), len(sent), missing, err)
	}
	for _, f := range found {
		want := sent[f.Observation.ID].Observation
		if f.Observation.Content != want.Content || !slices.Equal(f.Observation.Vector, want.Vector) {
			t.Errorf("%s is %q with %v; sent %q with %v", want.ID, f.Observation.Content, f.Observation.Vector, want.Content, want.Vector)
		}
	}
	closeEngine(t, e)
	for _, p := range used {
		if n := p.held.Load(); n != 0 || p.In != nil || p.Observations != nil || p.Vectors != nil {
			t.Errorf("a parcel is held %d times", n)
		}
		if !clean(*p.in) || !clean(*p.observations) || !clean(*p.vectors) || p.items != nil && !clean(*p.items) {
			t.Errorf("something is left of a parcel that is over")
		}
	}
}

// clean reports whether all elements are zero.
func clean[T any](list []T) bool {
	var zero T
	return !slices.ContainsFunc(list[:cap(list)], func(e T) bool { return !reflect.DeepEqual(e, zero) })
}

// A parcel is as asked for, however those before it were left.
func TestParcelIsAsAskedFor(t *testing.T) {
	e := &Engine{}
	for i := range 200 {
		n, components := i*7%50, i*13%90
		p := e.Parcel(n, components)
		if len(p.In) != n || len(p.Observations) != n || len(p.Vectors) != components {
			t.Fatalf("%d, %d and %d; asked for %d and %d", len(p.In), len(p.Observations), len(p.Vectors), n, components)
		}
		if !clean(p.In) || !clean(p.Observations) || !clean(p.Vectors) {
			t.Fatalf("something is left over: %+v", p)
		}
		for k := range p.In {
			p.Observations[k].Content = "x"
			p.In[k] = Incoming{Observation: &p.Observations[k]}
		}
		for k := range p.Vectors {
			p.Vectors[k] = 7
		}
		p.taken()
	}
}
