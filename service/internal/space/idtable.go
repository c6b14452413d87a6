package space

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"runtime"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/engram-stream/engram/service/internal/memory"
)

// idTable finds rows by id: open addressing with linear probing, a power of
// two of slots, at most two thirds of them used. A slot holds the upper half
// of the id's xxHash64 and, in its lower half, the row + 1; 0 is free. The ids
// themselves are in the records, so a match has to be looked at. It is
// immutable, may alias a mapped file, and its zero value is empty.
type idTable struct {
	owner any // keeps the slots mapped
	slots []uint64
}

// idSlots is how many slots a table of n ids gets.
func idSlots(n int) int {
	if n == 0 {
		return 0
	}
	return 1 << bits.Len(uint(n+n/2))
}

// find returns the row of an id; is tells whether a row that may be it, is.
func (t idTable) find(id memory.ObservationID, is func(row uint32) bool) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	defer runtime.KeepAlive(t.owner)
	h := xxhash.Sum64String(string(id))
	mask := uint64(len(t.slots) - 1)
	for at, n := h&mask, 0; n < len(t.slots); at, n = (at+1)&mask, n+1 {
		slot := t.slots[at]
		if slot == 0 {
			return 0, false
		}
		if slot>>32 == h>>32 {
			if row := uint32(slot) - 1; is(row) {
				return row, true
			}
		}
	}
	return 0, false
}

// newIDTable makes an empty table. A large one is off the heap: whoever asked for
// it there would be made to collect garbage for it.
func newIDTable(slots int) idTable {
	if 8*slots < largeSection || !littleEndian {
		return idTable{slots: make([]uint64, slots)}
	}
	r := newRegion(8 * slots)
	return idTable{owner: r, slots: numbers[uint64](r.bytes)}
}

// add puts an id into a table that is being built; it must have room.
func (t idTable) add(id []byte, row uint32) {
	h := xxhash.Sum64(id)
	mask := uint64(len(t.slots) - 1)
	at := h & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = h>>32<<32 | uint64(row+1)
}

// openIDTable reads a table of rows below a bound from what encode wrote. It
// aliases b where the machine allows that.
func openIDTable(b []byte, rows int) (idTable, error) {
	n := len(b) / 8
	if len(b)%8 != 0 || n != 0 && bits.OnesCount(uint(n)) != 1 {
		return idTable{}, fmt.Errorf("id table of %d bytes: not a power of two of slots", len(b))
	}
	t := idTable{slots: numbers[uint64](b)}
	for _, slot := range t.slots {
		if uint32(slot) > uint32(rows) || slot != 0 && uint32(slot) == 0 {
			return idTable{}, fmt.Errorf("id table names row %d of %d", int64(uint32(slot))-1, rows)
		}
	}
	return t, nil
}

// littleEndian reports whether numbers lie in memory as they do in files.
var littleEndian = func() bool {
	x := uint16(1)
	return *(*byte)(unsafe.Pointer(&x)) == 1
}()

// numbers reads little-endian numbers, without a copy where they are aligned
// and the machine is little-endian itself.
func numbers[T uint64 | int64 | uint32 | float32](b []byte) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	n := len(b) / size
	if n == 0 {
		return nil
	}
	if littleEndian && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(size) == 0 {
		return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
	}
	out := make([]T, n)
	if _, err := binary.Decode(b[:n*size], binary.LittleEndian, out); err != nil {
		panic(err) // the lengths fit
	}
	return out
}

// bytesOf is the inverse of numbers: the bytes as they lie in a file.
func bytesOf[T uint64 | int64 | uint32 | float32](list []T) []byte {
	if len(list) == 0 {
		return nil
	}
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), len(list)*int(unsafe.Sizeof(list[0])))
	}
	out, err := binary.Append(nil, binary.LittleEndian, list)
	if err != nil {
		panic(err) // numbers have a size
	}
	return out
}
