//go:build conformance

package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
)

// maxMessage bounds what the runner may send at once: its largest cases carry a
// few hundred KiB.
const maxMessage = 16 << 20

// Read reads one message: its size as four bytes, big-endian, then itself. The
// end of the input before a message is io.EOF.
func Read(r io.Reader, m proto.Message) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxMessage {
		return fmt.Errorf("read a message: its size is %d bytes, above %d", n, maxMessage)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("read a message of %d bytes: %w", n, err)
	}
	return proto.Unmarshal(data, m)
}

// Write writes one message as Read reads it, in one piece.
func Write(w io.Writer, m proto.Message) error {
	data, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4), m)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(data, uint32(len(data)-4))
	_, err = w.Write(data)
	return err
}
