package engram

import (
	"context"
	"io"
	"iter"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Checkpoint is what a checkpoint wrote.
type Checkpoint struct {
	Catalog  uint64        `json:"catalog"`  // the number of the catalog now in force
	Position uint64        `json:"position"` // in the journal, from which a start would read
	Spaces   uint64        `json:"spaces"`   // that were written
	Bytes    uint64        `json:"bytes"`    // written
	Took     time.Duration `json:"took_ns"`
}

// Checkpoint has the server write a checkpoint, and returns when it is on
// stable storage. With erase, nothing that was forgotten is left on its disk
// then.
func (c *Client) Checkpoint(ctx context.Context, erase bool) (Checkpoint, error) {
	m, err := c.admin.Checkpoint(ctx, &v1.CheckpointRequest{Erase: erase})
	if err != nil {
		return Checkpoint{}, fromWire(err)
	}
	return Checkpoint{Catalog: m.Catalog, Position: m.Position, Spaces: m.Spaces, Bytes: m.Bytes, Took: m.Took.AsDuration()}, nil
}

// BackupPart is a message of a backup; see the contract for its fields.
type BackupPart = v1.BackupResponse

// Backup yields the parts of a backup as they come. It ends without an error
// only after the part that ends the backup.
func (c *Client) Backup(ctx context.Context) iter.Seq2[*BackupPart, error] {
	return func(yield func(*BackupPart, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.admin.Backup(ctx, &v1.BackupRequest{})
		if err != nil {
			yield(nil, fromWire(err))
			return
		}
		defer s.Close() //nolint:errcheck // ended by then, or broken off
		complete := false
		for {
			m, err := s.Receive()
			if ended(err) {
				if complete {
					return
				}
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				yield(nil, fromWire(err))
				return
			}
			complete = m.GetEnd() != nil
			if !yield(m, nil) {
				return
			}
		}
	}
}
