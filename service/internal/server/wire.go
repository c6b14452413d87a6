package server

import (
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxDepth bounds how deep messages may nest: as deep as the standard decoder
// goes. The generated one has no bound, so a few megabytes of nested lists in
// metadata would overflow its stack, which no recover can catch.
const maxDepth = protowire.DefaultRecursionLimit

var (
	errTooDeep = errors.New("messages nest too deep")
	errNotUTF8 = errors.New("a string field is not valid UTF-8")
	// errFieldNumber is also what the standard decoder says no to.
	errFieldNumber = errors.New("a field number is out of range")
)

// checkWire does for an encoded message what generated decoding leaves out and
// the standard decoder does: it bounds the nesting, and it refuses strings that
// are not UTF-8, which could be decoded but never encoded again. It reads tags
// and lengths and the bytes of strings; vectors are stepped over.
//
// See https://protobuf.dev/programming-guides/encoding.
func checkWire(msg proto.Message, data []byte) error {
	return shapeOf(msg.ProtoReflect().Descriptor()).check(data, maxDepth)
}

// shape is what checkWire needs to know of a message type: which of its fields
// are strings, and which are messages worth looking into.
type shape struct {
	fields map[protowire.Number]shapeField
}

// shapeField is a string field when inner is nil.
type shapeField struct {
	name  protoreflect.FullName
	inner *shape
}

// shapes caches the shapes by descriptor. Types are finite, so is the cache.
var shapes sync.Map // protoreflect.MessageDescriptor → *shape

func shapeOf(d protoreflect.MessageDescriptor) *shape {
	if s, ok := shapes.Load(d); ok {
		return s.(*shape)
	}
	// Two goroutines may both build one; either will do.
	s := buildShape(d, map[protoreflect.FullName]*shape{})
	shapes.Store(d, s)
	return s
}

// buildShape follows the fields of d; known closes the circle of types that
// contain themselves. Map fields are messages of their own on the wire.
func buildShape(d protoreflect.MessageDescriptor, known map[protoreflect.FullName]*shape) *shape {
	if s := known[d.FullName()]; s != nil {
		return s
	}
	s := &shape{fields: map[protowire.Number]shapeField{}}
	known[d.FullName()] = s
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		switch f.Kind() {
		case protoreflect.StringKind:
			s.fields[f.Number()] = shapeField{name: f.FullName()}
		case protoreflect.MessageKind:
			s.fields[f.Number()] = shapeField{name: f.FullName(), inner: buildShape(f.Message(), known)}
		default: // numbers, enums and bytes cannot be wrong in either way
		}
	}
	return s
}

func (s *shape) check(b []byte, depth int) error {
	if depth <= 0 {
		return errTooDeep
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if num > protowire.MaxValidNumber {
			return errFieldNumber
		}
		b = b[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		f, ok := s.fields[num]
		switch {
		case !ok || len(v) == 0:
		case f.inner != nil:
			if err := f.inner.check(v, depth-1); err != nil {
				return err
			}
		case !utf8.Valid(v):
			return fmt.Errorf("%s: %w", f.name, errNotUTF8)
		}
	}
	return nil
}
