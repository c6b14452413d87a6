package server

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// field gives the tag of a field of Observation.
func field(name protoreflect.Name) []byte {
	f := (&v1.Observation{}).ProtoReflect().Descriptor().Fields().ByName(name)
	return protowire.AppendTag(nil, f.Number(), protowire.BytesType)
}

// nestedMetadata encodes an observation whose metadata is about size bytes of
// lists in lists, written back to front.
func nestedMetadata(size int) []byte {
	buf := make([]byte, size+64)
	at := len(buf)
	wrap := func(num protowire.Number) {
		head := protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.BytesType), uint64(len(buf)-at))
		at -= len(head)
		copy(buf[at:], head)
	}
	for len(buf)-at < size {
		wrap(1) // ListValue.values
		wrap(6) // Value.list_value
	}
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "k")
	entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), buf[at:])
	meta := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), entry)
	return protowire.AppendBytes(field("metadata"), meta)
}

// Sixteen MiB, the default limit of a request, overflow the stack of the
// generated decoder: without the check this test ends the process.
func TestCodecRefusesNestingThatWouldOverflowTheStack(t *testing.T) {
	err := newCodec().UnmarshalRead(context.Background(), bytes.NewReader(nestedMetadata(16<<20)), &v1.Observation{})
	if !errors.Is(err, errTooDeep) {
		t.Fatalf("got %v, want %v", err, errTooDeep)
	}
	if err := newCodec().UnmarshalRead(context.Background(), bytes.NewReader(nestedMetadata(256)), &v1.Observation{}); err != nil {
		t.Fatalf("modest nesting was refused: %v", err)
	}
}

func TestCodecRefusesStringsThatAreNotUTF8(t *testing.T) {
	bad := []byte{'a', 0xff}
	inContext := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), bad)
	for name, data := range map[string][]byte{
		"content": protowire.AppendBytes(field("content"), bad),
		"context": protowire.AppendBytes(field("context"), inContext),
	} {
		if err := newCodec().UnmarshalRead(context.Background(), bytes.NewReader(data), &v1.Observation{}); !errors.Is(err, errNotUTF8) {
			t.Errorf("%s: got %v, want %v", name, err, errNotUTF8)
		}
	}
	// The bytes of a vector are no string.
	packed := &v1.Observation{Embedding: &v1.Embedding{Packed: &v1.PackedVector{Data: []byte{0xff, 0xff, 0xff, 0xff}}}}
	data, err := proto.Marshal(packed)
	if err != nil {
		t.Fatal(err)
	}
	if err := newCodec().UnmarshalRead(context.Background(), bytes.NewReader(data), &v1.Observation{}); err != nil {
		t.Errorf("packed vector: %v", err)
	}
}

// What the codec takes, the standard decoder takes, and both read the canonical
// form of it the same. (Of a field that is sent twice they may keep different
// things, and unknown fields inside metadata are dropped.)
func FuzzCodecAgreesWithTheStandard(f *testing.F) {
	meta, err := structpb.NewStruct(map[string]any{"a": 1.5, "b": []any{"x", nil, true}, "c": map[string]any{"d": "e"}})
	if err != nil {
		f.Fatal(err)
	}
	seed, err := proto.Marshal(&v1.ObserveRequest{Space: "notes", Observations: []*v1.Observation{{Id: "i", Content: "ü", Metadata: meta}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append(seed[:len(seed):len(seed)], 0x0a, 0x02, 0xff, 0xfe))
	c := newCodec()
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours, standard v1.ObserveRequest
		if c.UnmarshalRead(context.Background(), bytes.NewReader(data), &ours) != nil {
			return
		}
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &standard); err != nil {
			t.Fatalf("taken by the codec, refused by the standard decoder: %v", err)
		}
		canonical, err := proto.Marshal(&standard)
		if err != nil {
			t.Fatalf("decoded, but not to be encoded again: %v", err)
		}
		var again v1.ObserveRequest
		if err := c.UnmarshalRead(context.Background(), bytes.NewReader(canonical), &again); err != nil {
			t.Fatalf("the canonical form was refused: %v", err)
		}
		redone, err := proto.MarshalOptions{Deterministic: true}.Marshal(&again)
		want, err2 := proto.MarshalOptions{Deterministic: true}.Marshal(&standard)
		if err != nil || err2 != nil || !bytes.Equal(redone, want) {
			t.Fatalf("read differently: %v %v\n%x\n%x", err, err2, redone, want)
		}
	})
}

func TestCheckWireAllocatesNothing(t *testing.T) {
	msg := &v1.ObserveRequest{Space: "notes"}
	for range 64 {
		msg.Observations = append(msg.Observations, &v1.Observation{Id: "id", Content: "the kettle is in the red box"})
	}
	data, err := proto.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := checkWire(msg, data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("allocates %v times a batch", n)
	}
}
