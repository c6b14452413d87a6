package journal

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	prefixSize = 28
	// markSize is the room a seal or a clean mark takes at most.
	markSize = prefixSize + 7 + binary.MaxVarintLen64
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	frameMagic = []byte{'E', 'J', 'F', 1}
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// prefix is the fixed part of a frame.
type prefix struct {
	back       uint32
	fieldsLen  uint32
	payloadLen uint32
	fieldsCRC  uint32
	payloadCRC uint32
}

// size is the length of the whole frame in bytes.
func (p *prefix) size() int64 {
	return prefixSize + int64(p.fieldsLen) + int64(p.payloadLen)
}

// append appends the prefix of the frame at pos of the log with this id.
func (p *prefix) append(b []byte, logID uint64, pos Position) []byte {
	start := len(b)
	b = append(b, frameMagic...)
	for _, v := range [...]uint32{p.back, p.fieldsLen, p.payloadLen, p.fieldsCRC, p.payloadCRC} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return binary.LittleEndian.AppendUint32(b, prefixChecksum(b[start:], logID, pos))
}

// prefixChecksum covers the first 24 bytes of b and where they stand.
func prefixChecksum(b []byte, logID uint64, pos Position) uint32 {
	var where [16]byte
	binary.LittleEndian.PutUint64(where[:], logID)
	binary.LittleEndian.PutUint64(where[8:], uint64(pos))
	return crc32.Update(checksum(where[:]), castagnoli, b[:prefixSize-4])
}

// appendFields appends the frame's fields, all but the payload.
func appendFields(b []byte, f *Frame) []byte {
	b = append(b, byte(f.Kind))
	b = appendString(b, f.Space)
	b = binary.AppendUvarint(b, uint64(f.Incarnation))
	b = binary.AppendUvarint(b, uint64(f.FirstGeneration))
	b = binary.AppendUvarint(b, uint64(f.Generations))
	b = binary.AppendVarint(b, f.CommitTime)
	b = binary.AppendUvarint(b, uint64(len(f.Runs)))
	for i := range f.Runs {
		r := &f.Runs[i]
		b = appendString(b, r.Session)
		b = binary.AppendUvarint(b, uint64(r.Incarnation))
		b = binary.AppendUvarint(b, uint64(r.First))
		b = binary.AppendUvarint(b, uint64(r.Count))
		b = binary.AppendUvarint(b, uint64(len(r.Rejected)))
		for j := range r.Rejected {
			x := &r.Rejected[j]
			b = binary.AppendUvarint(b, uint64(x.Sequence))
			b = appendString(b, x.ObservationID)
			b = appendString(b, x.Reason)
			b = appendString(b, x.Message)
		}
	}
	return b
}

func appendString[S ~string](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
