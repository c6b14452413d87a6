package checkpoint

import "fmt"

// FileID names a data file. An id that a catalog has named is never used for
// another file.
type FileID uint64

// Ref is a section: a range of bytes of a data file. No section begins at
// offset 0, so the zero Ref names none.
type Ref struct {
	File   FileID `json:"f"`
	Offset uint64 `json:"o"` // bytes, a multiple of Align
	Length uint64 `json:"l"` // bytes
}

// String is for errors and logs.
func (r Ref) String() string {
	return fmt.Sprintf("section of %d bytes at %d of file %016x", r.Length, r.Offset, uint64(r.File))
}

const (
	// Align is what the offset of every section is a multiple of, in bytes: a
	// cache line, and the widest vector register.
	Align = 64
	// BlockSize is how many bytes of a data file one checksum covers.
	BlockSize = 1 << 20
)

// within reports whether the section lies in a file with so many bytes of data.
func (r Ref) within(data uint64) bool {
	return r.Offset%Align == 0 && r.Offset >= headerSize && r.Offset <= data && r.Length <= data-r.Offset
}
