package rpc

import (
	"encoding/binary"
	"math"
	"reflect"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// drawObservation draws one that may be lacking anything, or wrong.
func drawObservation(t *rapid.T) *v1.Observation {
	m := &v1.Observation{
		Id:      rapid.SampledFrom([]string{"", "a", "pear"}).Draw(t, "id"),
		Content: rapid.StringN(0, 12, -1).Draw(t, "content"), Importance: rapid.Float32().Draw(t, "importance"),
	}
	if rapid.Bool().Draw(t, "has context") {
		m.Context = &v1.ObservationContext{Participants: rapid.SliceOfN(rapid.StringN(0, 4, -1), 0, 3).Draw(t, "participants")}
	}
	if rapid.Bool().Draw(t, "has confidence") {
		m.Confidence = proto.Float32(rapid.Float32().Draw(t, "confidence"))
	}
	form := rapid.IntRange(0, 4).Draw(t, "form of the embedding")
	if form > 0 {
		m.Embedding = &v1.Embedding{}
	}
	if form == 2 || form == 4 {
		m.Embedding.Values = rapid.SliceOfN(rapid.Float32(), 0, 9).Draw(t, "values")
	}
	if form >= 3 {
		m.Embedding.Packed = &v1.PackedVector{
			Data:     rapid.SliceOfN(rapid.Byte(), 0, 21).Draw(t, "data"),
			Encoding: v1.VectorEncoding(rapid.IntRange(0, 3).Draw(t, "encoding")),
		}
	}
	return m
}

// A message that was read and given back has no trace in the one that is decoded
// into it, nor that one in what was read of the first.
func TestRecycledBatchesShareNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type read struct{ got, want []*memory.Observation }
		var all []read
		for range rapid.IntRange(1, 6).Draw(t, "frames") {
			sent := &v1.ObservationBatch{FirstSequence: rapid.Uint64().Draw(t, "first")}
			for range rapid.IntRange(0, 5).Draw(t, "observations") {
				sent.Observations = append(sent.Observations, drawObservation(t))
			}
			data, err := proto.Marshal(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Observations{Observations: sent}})
			if err != nil {
				t.Fatal(err)
			}
			m := &v1.ObserveStreamRequest{}
			if err := m.UnmarshalVT(data); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(m.GetObservations(), sent) {
				t.Fatalf("sent %v, decoded %v", sent, m.GetObservations())
			}
			alone := &v1.ObserveStreamRequest{} // of no pool
			if err := proto.Unmarshal(data, alone); err != nil {
				t.Fatal(err)
			}
			want := converted(alone.GetObservations().GetObservations()...)
			in := converted(m.GetObservations().Observations...)
			giveBack(m.GetObservations())
			var b read
			for i := range want {
				got, want := in[i], want[i]
				if (got.Fault == nil) != (want.Fault == nil) || got.Fault != nil && got.Fault.Error() != want.Fault.Error() || got.Bytes != want.Bytes || got.ClaimedID != want.ClaimedID {
					t.Fatalf("%+v, want %+v", got, want)
				}
				if got.Fault == nil {
					b.got, b.want = append(b.got, got.Observation), append(b.want, want.Observation)
				}
			}
			all = append(all, b)
			for _, b := range all {
				for i := range b.got {
					same(t, b.got[i], b.want[i])
				}
			}
		}
	})
}

// same fails unless two observations are the same, to the bit of a NaN.
func same(t interface{ Fatalf(string, ...any) }, a, b *memory.Observation) {
	x, y := *a, *b
	if (x.Vector == nil) != (y.Vector == nil) || string(vector.EncodeF32LE(nil, x.Vector)) != string(vector.EncodeF32LE(nil, y.Vector)) {
		t.Fatalf("vector %v, want %v", x.Vector, y.Vector)
	}
	if math.Float32bits(x.Importance) != math.Float32bits(y.Importance) || math.Float32bits(x.Confidence) != math.Float32bits(y.Confidence) {
		t.Fatalf("%v and %v, want %v and %v", x.Importance, x.Confidence, y.Importance, y.Confidence)
	}
	x.Vector, x.Importance, x.Confidence = nil, 0, 0
	y.Vector, y.Importance, y.Confidence = nil, 0, 0
	if !reflect.DeepEqual(x, y) {
		t.Fatalf("%+v, want %+v", x, y)
	}
}

// Streams share what is recycled: none of them sees what another one reads.
func TestRecyclingBetweenStreams(t *testing.T) {
	const streams, frames, batch = 4, 60, 9
	var done sync.WaitGroup
	for s := range streams {
		done.Go(func() {
			var kept []*memory.Observation
			for f := range frames {
				size := 1 + (f+s)%batch
				list := make([]*v1.Observation, size)
				for i := range list {
					mark := uint32(s<<20 | f<<8 | i)
					list[i] = &v1.Observation{Content: strconv.Itoa(int(mark)), Embedding: &v1.Embedding{Packed: &v1.PackedVector{
						Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE, Data: binary.LittleEndian.AppendUint32(nil, mark),
					}}}
				}
				data, err := (&v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Observations{Observations: &v1.ObservationBatch{Observations: list}}}).MarshalVT()
				if err != nil {
					t.Error(err)
					return
				}
				m := &v1.MemoryStreamRequest{}
				if err := m.UnmarshalVT(data); err != nil {
					t.Error(err)
					return
				}
				in := converted(m.GetObservations().Observations...)
				giveBack(m.GetObservations())
				for i := range in {
					kept = append(kept, in[i].Observation)
				}
			}
			for i, o := range kept {
				if len(o.Vector) != 1 || strconv.Itoa(int(math.Float32bits(o.Vector[0]))) != o.Content {
					t.Errorf("stream %d, observation %d: %q has %x", s, i, o.Content, o.Vector)
					return
				}
			}
		})
	}
	done.Wait()
}

// What is far above the usual is not kept: a client could else fill the memory
// with room for itself.
func TestLittleIsKept(t *testing.T) {
	big := &v1.Observation{Embedding: &v1.Embedding{
		Values: make([]float32, maxKeptFloats+1), Packed: &v1.PackedVector{Data: make([]byte, maxKeptFloats*vector.BytesF32+1)},
	}}
	e, p := big.Embedding, big.Embedding.Packed
	giveBack(&v1.ObservationBatch{Observations: []*v1.Observation{nil, {}, big}})
	if cap(e.Values) != 0 || cap(p.Data) != 0 {
		t.Errorf("room for %d components and %d bytes is kept", cap(e.Values), cap(p.Data))
	}
	many := &v1.ObservationBatch{FirstSequence: 1, Observations: make([]*v1.Observation, 2*maxKeptBatch+1)}
	giveBack(many)
	if many.FirstSequence != 1 {
		t.Errorf("a batch of %d is kept", len(many.Observations))
	}
}

// An empty vector was sent, and is refused as one; no vector leaves the server
// to make it.
func TestEmptyVectorsAreNotNil(t *testing.T) {
	empty := &v1.Observation{Content: "x", Embedding: &v1.Embedding{Packed: &v1.PackedVector{Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE}}}
	in := converted(empty, &v1.Observation{Content: "x"}, &v1.Observation{Content: "x", Embedding: &v1.Embedding{}})
	if v := in[0].Observation.Vector; v == nil || len(v) != 0 {
		t.Errorf("an empty vector is read as %#v", v)
	}
	if in[1].Observation.Vector != nil || in[2].Observation.Vector != nil {
		t.Error("no vector is read as one")
	}
}

// FuzzRecycled decodes one batch over what another one left.
func FuzzRecycled(f *testing.F) {
	packed := func(data string) []byte {
		b, err := proto.Marshal(&v1.ObservationBatch{Observations: []*v1.Observation{
			full(f, &v1.Embedding{Values: []float32{1, 2}}),
			{Embedding: &v1.Embedding{Packed: &v1.PackedVector{Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE, Data: []byte(data)}}},
		}})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(packed("12345678"), packed("abcd"))
	f.Add(packed("odd"), []byte{})
	f.Fuzz(func(t *testing.T, before, after []byte) {
		want := &v1.ObservationBatch{}
		if proto.Unmarshal(after, want) != nil {
			t.Skip("not a message")
		}
		b := v1.ObservationBatchFromVTPool()
		if b.UnmarshalVT(before) == nil {
			converted(b.Observations...)
			giveBack(b)
			b = v1.ObservationBatchFromVTPool()
		} else {
			b = &v1.ObservationBatch{}
		}
		if b.UnmarshalVT(after) != nil {
			t.Skip("the generated code is stricter about fields of a wrong type")
		}
		for i, o := range want.Observations {
			// Of kinds that are not ours the generated code drops what it does
			// not know; none of them is recycled.
			for _, at := range []*timestamppb.Timestamp{o.ObservedAt, o.ExpiresAt} {
				if at != nil {
					at.ProtoReflect().SetUnknown(nil)
				}
			}
			o.Metadata, b.Observations[i].Metadata = nil, nil
		}
		if !proto.Equal(b, want) {
			t.Fatalf("%v, want %v", b, want)
		}
		giveBack(b)
	})
}
