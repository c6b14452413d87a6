package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// ours is the journal. The writer packs its records, each with its length, into
// the payload of one frame.
type ours struct {
	j        *journal.Segments
	payloads [writers][]byte // of each writer, used again
}

func openJournal(dir string) (store, error) {
	j, err := journal.Open(journal.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return &ours{j: j}, nil
}

func (o *ours) write(writer int, first uint64, records [][]byte) error {
	b := o.payloads[writer][:0]
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	o.payloads[writer] = b
	_, err := o.j.Append(context.Background(), &journal.Frame{
		Kind: journal.KindRows, Space: memory.SpaceID(fmt.Sprintf("space-%d", writer)), Incarnation: 1,
		FirstGeneration: memory.Generation(first + 1), Generations: uint32(len(records)),
		Runs:    []journal.Run{{Session: memory.SessionID(fmt.Sprintf("session-%d", writer)), Incarnation: 1, First: memory.Sequence(first + 1), Count: uint32(len(records))}},
		Payload: b,
	})
	return err
}

func (o *ours) each(fn func([]byte)) error {
	return o.j.Read(context.Background(), 0, func(_ journal.Position, f *journal.Frame) error {
		for b := f.Payload; len(b) > 0; {
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return errors.New("a payload ends early")
			}
			fn(b[size:][:n])
			b = b[size+int(n):]
		}
		return nil
	})
}

func (o *ours) close() error { return o.j.Close() }
