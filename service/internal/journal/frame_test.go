package journal

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

func frameGen() *rapid.Generator[*Frame] {
	text := func(limit int) *rapid.Generator[string] { return rapid.StringN(0, -1, limit) }
	rejected := rapid.Custom(func(t *rapid.T) RejectedNumber {
		return RejectedNumber{
			Sequence:      memory.Sequence(rapid.Uint64().Draw(t, "sequence")),
			ObservationID: memory.ObservationID(text(memory.MaxIDLength).Draw(t, "id")),
			Reason:        text(MaxReasonLength).Draw(t, "reason"),
			Message:       text(MaxMessageLength).Draw(t, "message"),
		}
	})
	run := rapid.Custom(func(t *rapid.T) Run {
		r := Run{
			Session:     memory.SessionID(text(memory.MaxNameLength).Draw(t, "session")),
			Incarnation: memory.Incarnation(rapid.Uint64().Draw(t, "incarnation")),
			First:       memory.Sequence(rapid.Uint64().Draw(t, "first")),
			Count:       rapid.Uint32().Draw(t, "count"),
		}
		if list := rapid.SliceOfN(rejected, 0, 3).Draw(t, "rejected"); len(list) > 0 {
			r.Rejected = list
		}
		return r
	})
	return rapid.Custom(func(t *rapid.T) *Frame {
		f := &Frame{
			Kind:            Kind(rapid.IntRange(1, int(kindReserved)-1).Draw(t, "kind")),
			Space:           memory.SpaceID(text(memory.MaxNameLength).Draw(t, "space")),
			Incarnation:     memory.Incarnation(rapid.Uint64().Draw(t, "incarnation")),
			FirstGeneration: memory.Generation(rapid.Uint64().Draw(t, "generation")),
			Generations:     rapid.Uint32().Draw(t, "generations"),
			CommitTime:      rapid.Int64().Draw(t, "time"),
		}
		if list := rapid.SliceOfN(run, 0, 3).Draw(t, "runs"); len(list) > 0 {
			f.Runs = list
		}
		return f
	})
}

func TestFieldsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := frameGen().Draw(t, "frame")
		if err := want.check(); err != nil {
			t.Fatal(err)
		}
		b := appendFields(nil, want)
		got, err := decodeFields(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := decodeFields(b[:cut]); err == nil {
			t.Fatalf("%d of %d bytes were taken for a whole frame", cut, len(b))
		}
	})
}

func TestPrefixIsBoundToItsPlace(t *testing.T) {
	want := prefix{back: 1, fieldsLen: 2, payloadLen: 3, fieldsCRC: 4, payloadCRC: 5}
	b := want.append(nil, 7, 100)
	if got, ok := parsePrefix(b, 7, 100); !ok || got != want {
		t.Fatalf("got %+v, %v", got, ok)
	}
	if _, ok := parsePrefix(b, 8, 100); ok {
		t.Fatal("taken for a frame of another log")
	}
	if _, ok := parsePrefix(b, 7, 101); ok {
		t.Fatal("taken for a frame of another place")
	}
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, ok := parsePrefix(b, 7, 100); ok {
			t.Fatalf("bit %d may be flipped", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
}

func TestSegmentHeader(t *testing.T) {
	b := appendHeader(nil, 7, 1<<40, MinSegmentBytes)
	if h, err := parseHeader(b); err != nil || h != (header{7, 1 << 40, MinSegmentBytes}) {
		t.Fatalf("%+v, %v", h, err)
	}
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := parseHeader(b); err == nil {
			t.Fatalf("bit %d may be flipped", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for name, want := range map[string]bool{
		"0000010000000000.seg": true, "000001000000000g.seg": false, "0000010000000000.tmp": false,
		"00000100000000AB.seg": false, "10000000000.seg": false, "LOCK": false, "+000010000000000.seg": false,
	} {
		if first, ok := parseSegmentName(name); ok != want || ok && first != 1<<40 {
			t.Errorf("%s: %d, %v", name, first, ok)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add(appendFields(nil, &Frame{Kind: KindRows, Space: "space", FirstGeneration: 1, Generations: 2, CommitTime: -1, Runs: []Run{
		{Session: "session", Incarnation: 3, First: 4, Count: 5, Rejected: []RejectedNumber{{Sequence: 6, ObservationID: "id", Reason: "R", Message: "m"}}},
	}}))
	f.Add(appendFields(nil, &Frame{Kind: kindSeal}))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0xff, 0xff, 0x03})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// As fields, and as a frame in the prefix's eyes.
		if p, ok := parsePrefix(b, 0, 0); ok && p.size() < prefixSize {
			t.Fatalf("size %d", p.size())
		}
		frame, err := decodeFields(b)
		if err != nil {
			return
		}
		again, err := decodeFields(appendFields(nil, frame))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(frame, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
