package space

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// The payload of a rows frame:
//
//	version   uvarint, 1
//	dimension uvarint
//	metric    uvarint
//	rows      uvarint
//	rows ×    { flags uvarint; [reason: uvarint length, bytes]; record: uvarint length, bytes }
//	vectors   rows × dimension × float32, little-endian
//
// Flag 1 marks a row that was quarantined before it reached the journal; its
// reason follows. Flags a reader does not know are an error: they would change
// what the row means.
const payloadVersion = 1

const flagQuarantined = 1

// maxPayloadRows bounds what a decoder makes room for.
const maxPayloadRows = 1 << 20

var errPayload = errors.New("malformed rows payload")

func encodeRows(b []byte, dim int, metric memory.Metric, rows []newRow) []byte {
	size := 32
	for i := range rows {
		size += 16 + len(rows[i].record) + len(rows[i].reason) + 4*dim
	}
	b = slices.Grow(b[:0], size)
	b = binary.AppendUvarint(b, payloadVersion)
	b = binary.AppendUvarint(b, uint64(dim))
	b = binary.AppendUvarint(b, uint64(metric))
	b = binary.AppendUvarint(b, uint64(len(rows)))
	for i := range rows {
		r := &rows[i]
		if r.reason != "" {
			b = binary.AppendUvarint(b, flagQuarantined)
			b = appendBytes(b, []byte(r.reason))
		} else {
			b = binary.AppendUvarint(b, 0)
		}
		b = appendBytes(b, r.record)
	}
	for i := range rows {
		b = vector.EncodeF32LE(b, rows[i].vector)
	}
	return b
}

// payloads are buffers for payloads of frames that are durable. The large ones,
// of a rare large batch, are not worth keeping.
var payloads sync.Pool

const keptPayload = 4 << 20

// payload makes the batch's, in a buffer that Release gives back.
func (b *Batch) payload() []byte {
	room, _ := payloads.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	*room = encodeRows(*room, b.dim, b.metric, b.rows)
	b.buffer = room
	return *room
}

// Release takes back the payload of a frame that the journal has, for another
// batch to use its memory. A frame that is to be read again is not released.
func (b *Batch) Release() {
	if b.buffer == nil {
		return
	}
	b.Frame.Payload = nil
	if cap(*b.buffer) <= keptPayload {
		payloads.Put(b.buffer)
	}
	b.buffer = nil
}

// decodedRows is a rows payload, aliasing the bytes it was read from.
type decodedRows struct {
	dim    int
	metric memory.Metric
	rows   []newRow
}

func decodeRows(b []byte) (decodedRows, error) {
	r := payloadReader{b: b}
	if v := r.uvarint(); v != payloadVersion && r.err == nil {
		return decodedRows{}, fmt.Errorf("%w: version %d, want %d", errPayload, v, payloadVersion)
	}
	dim, metric, n := r.uvarint(), r.uvarint(), r.uvarint()
	if r.err != nil || dim > 1<<16 || metric > uint64(memory.MetricEuclidean) || n > maxPayloadRows {
		return decodedRows{}, fmt.Errorf("%w: dimension %d, metric %d, %d rows", errPayload, dim, metric, n)
	}
	out := decodedRows{dim: int(dim), metric: memory.Metric(metric), rows: make([]newRow, 0, min(n, uint64(len(b))))}
	for range n {
		var row newRow
		switch flags := r.uvarint(); {
		case flags == flagQuarantined:
			row.reason = string(r.bytes())
		case flags != 0:
			return decodedRows{}, fmt.Errorf("%w: unknown flags %#x", errPayload, flags)
		}
		row.record = r.bytes()
		if r.err != nil {
			return decodedRows{}, r.err
		}
		out.rows = append(out.rows, row)
	}
	if uint64(len(r.b)) != 4*dim*n {
		return decodedRows{}, fmt.Errorf("%w: %d bytes of vectors for %d rows of %d components", errPayload, len(r.b), n, dim)
	}
	for i := range out.rows {
		v := make([]float32, dim)
		vector.DecodeF32LE(v, r.b[uint64(i)*4*dim:uint64(i+1)*4*dim])
		out.rows[i].vector = v
	}
	return out, nil
}

// The payload of a forget or retention frame: the generations of the rows that
// go, each as the difference to the one before.
func encodeGone(gens []memory.Generation) []byte {
	b := binary.AppendUvarint(nil, uint64(len(gens)))
	var last memory.Generation
	for _, g := range gens {
		b = binary.AppendUvarint(b, uint64(g-last))
		last = g
	}
	return b
}

func decodeGone(b []byte) ([]memory.Generation, error) {
	r := payloadReader{b: b}
	n := r.uvarint()
	if n > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d generations in %d bytes", errPayload, n, len(b))
	}
	out := make([]memory.Generation, 0, n)
	var last memory.Generation
	for range n {
		last += memory.Generation(r.uvarint())
		out = append(out, last)
	}
	return out, r.err
}

// The payload of a quarantine frame: the row's generation, and why.
func encodeQuarantine(g memory.Generation, reason string) []byte {
	return appendBytes(binary.AppendUvarint(nil, uint64(g)), []byte(reason))
}

func decodeQuarantine(b []byte) (memory.Generation, string, error) {
	r := payloadReader{b: b}
	g := r.uvarint()
	reason := string(r.bytes())
	return memory.Generation(g), reason, r.err
}

func appendBytes(b, s []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

type payloadReader struct {
	b   []byte
	err error
}

func (r *payloadReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		if r.err == nil {
			r.err = fmt.Errorf("%w: truncated number", errPayload)
		}
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *payloadReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		if r.err == nil {
			r.err = fmt.Errorf("%w: %d bytes wanted, %d left", errPayload, n, len(r.b))
		}
		r.b = nil
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}
