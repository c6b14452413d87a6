package vfs

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unsafe"
)

// TestMapByReading is about file systems that cannot map.
func TestMapByReading(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	for _, offset := range []int64{0, 1, 63, 64, 700} {
		m, err := mapByReading("f", strings.NewReader(text), offset, 300)
		if err != nil {
			t.Fatal(err)
		}
		b := m.Bytes()
		if !bytes.Equal(b, []byte(text[offset:offset+300])) || cap(b) != 300 {
			t.Fatalf("from %d: %q", offset, b)
		}
		if uintptr(unsafe.Pointer(&b[0]))%mapAlign != uintptr(offset)%mapAlign {
			t.Fatalf("offset %d is at address %p", offset, &b[0])
		}
	}
	if _, err := mapByReading("f", strings.NewReader(text), 701, 300); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a file that was cut off meanwhile: %v", err)
	}
}
