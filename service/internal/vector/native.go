package vector

import (
	"encoding/binary"
	"unsafe"
)

// littleEndian reports whether float32 lie in memory as they do on the wire.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// native gives the memory of v as bytes. Only on a little-endian machine are
// they its packed form. A float is aligned to 4 bytes and a byte to none, so
// that every v will do; the bytes that are copied in or out may lie anywhere.
func native(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), BytesF32*len(v))
}
