package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/engram-stream/engram/service/internal/memory"
)

// parsePrefix reads the first 28 bytes of b as the prefix of the frame at pos.
// It reports false when they are not: no frame was written there, or not by
// this log, or it is damaged.
func parsePrefix(b []byte, logID uint64, pos Position) (prefix, bool) {
	if len(b) < prefixSize || !bytes.Equal(b[:4], frameMagic) {
		return prefix{}, false
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	if u32(24) != prefixChecksum(b, logID, pos) {
		return prefix{}, false
	}
	return prefix{back: u32(4), fieldsLen: u32(8), payloadLen: u32(12), fieldsCRC: u32(16), payloadCRC: u32(20)}, true
}

var errTruncated = errors.New("fields end early")

// decodeFields reads what appendFields wrote. Strings are copied, so that b
// can be used again. What it allocates is bounded by a small multiple of
// len(b).
func decodeFields(b []byte) (*Frame, error) {
	d := decoder{b: b}
	f := &Frame{
		Kind:            Kind(d.byte()),
		Space:           memory.SpaceID(d.string("space", memory.MaxNameLength)),
		Incarnation:     memory.Incarnation(d.uint("incarnation", math.MaxUint64)),
		FirstGeneration: memory.Generation(d.uint("first generation", math.MaxUint64)),
		Generations:     uint32(d.uint("generations", math.MaxUint32)),
		CommitTime:      d.int(),
	}
	f.Runs = makeSlice[Run](d.count("runs", MaxRuns, 5))
	rejected := 0
	for i := range f.Runs {
		r := &f.Runs[i]
		r.Session = memory.SessionID(d.string("session", memory.MaxNameLength))
		r.Incarnation = memory.Incarnation(d.uint("session incarnation", math.MaxUint64))
		r.First = memory.Sequence(d.uint("first sequence", math.MaxUint64))
		r.Count = uint32(d.uint("count", math.MaxUint32))
		r.Rejected = makeSlice[RejectedNumber](d.count("rejected", MaxRejected-rejected, 4))
		rejected += len(r.Rejected)
		for j := range r.Rejected {
			x := &r.Rejected[j]
			x.Sequence = memory.Sequence(d.uint("rejected sequence", math.MaxUint64))
			x.ObservationID = memory.ObservationID(d.string("observation id", memory.MaxIDLength))
			x.Reason = d.string("reason", MaxReasonLength)
			x.Message = d.string("message", MaxMessageLength)
		}
		if d.err != nil {
			return nil, d.err
		}
	}
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%d bytes follow the fields", len(d.b))
	}
	if d.err != nil {
		return nil, d.err
	}
	return f, nil
}

func makeSlice[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, n)
}

// decoder takes fields off b and remembers the first error; after it every
// field is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail(errTruncated)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uint(field string, limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	switch {
	case n <= 0:
		d.fail(errTruncated)
		return 0
	case v > limit:
		d.fail(fmt.Errorf("%s is %d, the limit is %d", field, v, limit))
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errTruncated)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) string(field string, limit int) string {
	n := d.uint(field+" length", uint64(limit))
	if n > uint64(len(d.b)) {
		d.fail(errTruncated)
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// count reads the length of a list whose elements take at least size bytes
// each, so that a wrong one cannot make us allocate much.
func (d *decoder) count(field string, limit, size int) int {
	n := d.uint(field, uint64(limit))
	if n > uint64(len(d.b)/size) {
		d.fail(errTruncated)
		return 0
	}
	return int(n)
}
