package checkpoint

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// The format of data files; doc.go describes it.
const (
	headerMagic  = "ENGRAMC"
	trailerMagic = "ENGRAME"
	dataVersion  = 1

	headerSize  = 64
	trailerSize = 64
	sumSize     = 4 // of one block, in the table

	// maxData bounds a data file: 4 TiB, whose table is 16 MiB long.
	maxData = 1 << 42
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockSum is the checksum of one block. It begins with the file's id and the
// block's number, so that a block in the wrong place is noticed too.
func blockSum(id FileID, block int, data []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], uint64(id))
	binary.LittleEndian.PutUint64(place[8:], uint64(block))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, data)
}

// blocksOf is how many blocks so many bytes of data have.
func blocksOf(data uint64) uint64 { return (data + BlockSize - 1) / BlockSize }

// appendHeader appends the first bytes of a data file.
func appendHeader(b []byte, id FileID) []byte {
	b = append(b, headerMagic...)
	b = append(b, dataVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	return append(b, make([]byte, headerSize-16)...)
}

// footer is what follows the data of a data file.
type footer struct {
	id   FileID
	data uint64 // bytes, with the header
	sums []uint32
}

// append appends the table of checksums and the trailer.
func (f *footer) append(b []byte) []byte {
	table := len(b)
	for _, sum := range f.sums {
		b = binary.LittleEndian.AppendUint32(b, sum)
	}
	sum := crc32.Checksum(b[table:], castagnoli)
	trailer := len(b)
	b = append(b, trailerMagic...)
	b = append(b, dataVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.id))
	b = binary.LittleEndian.AppendUint64(b, f.data)
	b = binary.LittleEndian.AppendUint32(b, BlockSize)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.sums)))
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = append(b, make([]byte, trailer+trailerSize-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[trailer:], castagnoli))
}

// readFooter reads and checks the footer of the data file of this name and id,
// which is size bytes long. It takes as much memory as the table has, which is
// a 262,144th of the size.
func readFooter(r io.ReaderAt, name string, id FileID, size int64) (*footer, error) {
	if size < headerSize+sumSize+trailerSize {
		return nil, damage(name, size, "the file ends after %d bytes: not even a header and a trailer", size)
	}
	at := size - trailerSize
	trailer := make([]byte, trailerSize)
	if err := readFull(r, name, trailer, at); err != nil {
		return nil, err
	}
	f, tableSum, err := parseTrailer(trailer, name, id, size)
	if err != nil {
		return nil, err
	}
	table := make([]byte, size-trailerSize-int64(f.data))
	if err := readFull(r, name, table, int64(f.data)); err != nil {
		return nil, err
	}
	if got := crc32.Checksum(table, castagnoli); got != tableSum {
		return nil, damage(name, int64(f.data), "the table of checksums has checksum %08x, not %08x", got, tableSum)
	}
	f.sums = make([]uint32, len(table)/sumSize)
	for n := range f.sums {
		f.sums[n] = binary.LittleEndian.Uint32(table[n*sumSize:])
	}
	return f, nil
}

// parseTrailer checks the trailer alone, and that the lengths it gives make up
// the size. The footer it returns has no sums yet.
func parseTrailer(b []byte, name string, id FileID, size int64) (*footer, uint32, error) {
	at := size - trailerSize
	if string(b[:len(trailerMagic)]) != trailerMagic {
		return nil, 0, damage(name, at, "no trailer: the file is cut off or of another kind")
	}
	want := binary.LittleEndian.Uint32(b[trailerSize-4:])
	if got := crc32.Checksum(b[:trailerSize-4], castagnoli); got != want {
		return nil, 0, damage(name, at, "the trailer has checksum %08x, not %08x", got, want)
	}
	if version := b[len(trailerMagic)]; version != dataVersion {
		return nil, 0, &VersionError{File: name, Version: version, Known: dataVersion}
	}
	f := &footer{id: FileID(binary.LittleEndian.Uint64(b[8:])), data: binary.LittleEndian.Uint64(b[16:])}
	if f.id != id {
		return nil, 0, damage(name, at+8, "the file is %016x, not %016x", uint64(f.id), uint64(id))
	}
	if block := binary.LittleEndian.Uint32(b[24:]); block != BlockSize {
		return nil, 0, damage(name, at+24, "blocks have %d bytes, not %d", block, BlockSize)
	}
	blocks := uint64(binary.LittleEndian.Uint32(b[28:]))
	if f.data < headerSize || f.data > maxData || blocks != blocksOf(f.data) || f.data+blocks*sumSize+trailerSize != uint64(size) {
		return nil, 0, damage(name, at+16, "%d bytes of data in %d blocks do not make a file of %d bytes", f.data, blocks, size)
	}
	return f, binary.LittleEndian.Uint32(b[32:]), nil
}

// readFull reads len(b) bytes at off. That they cannot be read is damage.
func readFull(r io.ReaderAt, name string, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &DamageError{File: name, Offset: off + int64(n), Cause: fmt.Errorf("read: %w", err)}
}

// check compares one block with its checksum.
func (f *footer) check(name string, block int, data []byte) error {
	if got := blockSum(f.id, block, data); got != f.sums[block] {
		return damage(name, int64(block)*BlockSize, "block %d has checksum %08x, not %08x", block, got, f.sums[block])
	}
	return nil
}

// block is the range of the file that block n covers.
func (f *footer) block(n int) (from, to uint64) {
	from = uint64(n) * BlockSize
	return from, min(from+BlockSize, f.data)
}
