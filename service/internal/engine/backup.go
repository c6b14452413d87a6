package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/fault"
)

// BackupChunk is how many bytes of a file one part carries at the most.
const BackupChunk = 1 << 20

// BackupPart is one part of a backup: Begin in the first, data in those after
// it, file by file and in order within each.
type BackupPart struct {
	Begin  *BackupBegin
	File   checkpoint.FileID
	Offset uint64 // of Data in the file, in bytes
	Data   []byte // valid only during the call that gets it
}

// BackupBegin announces a backup.
type BackupBegin struct {
	// Catalog names all files. Its Position is where the journal goes on that
	// is made at a restore: behind everything the spaces have.
	Catalog *checkpoint.Catalog
	Files   int
	Bytes   uint64
}

// Backup writes a checkpoint and gives its files to send, byte for byte. What
// was durable when it began is in it, each space as it was at one moment; the
// engine goes on meanwhile. The files stay on the disk until Backup returns. An
// error of send ends it and is returned.
func (e *Engine) Backup(ctx context.Context, send func(BackupPart) error) error {
	durable := uint64(e.journal.DurableEnd())
	if _, err := e.Checkpoint(ctx, CheckpointWish{}); err != nil {
		return err
	}
	held, release := e.store.HoldLatest()
	defer release()
	if held == nil {
		return errors.New("hold the checkpoint just written: there is none")
	}
	if held.Position < durable {
		// Frames from before the call are in the journal only: those of a space
		// that cannot be read.
		return fault.New(fault.DataLoss, fault.SpaceDamaged, "a space cannot be read, so a backup would not have all of it; 'engram doctor' says which, and the server's log")
	}
	// A space may have frames from behind the catalog's position already. A log
	// that began there would give their positions to new frames, which a start
	// would then take for those the space has.
	catalog := *held
	catalog.Position = uint64(e.journal.DurableEnd())
	begin := &BackupBegin{Catalog: &catalog}
	for _, id := range catalog.Files() {
		begin.Files++
		begin.Bytes += catalog.Sizes[id]
	}
	if err := send(BackupPart{Begin: begin}); err != nil {
		return err
	}
	buf := make([]byte, BackupChunk)
	for _, id := range catalog.Files() {
		if err := e.backupFile(ctx, id, buf, send); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) backupFile(ctx context.Context, id checkpoint.FileID, buf []byte, send func(BackupPart) error) (err error) {
	r, size, err := e.store.Reader(id)
	if err != nil {
		return fmt.Errorf("back up file %016x: %w", uint64(id), err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for at := uint64(0); at < uint64(size); {
		if err := ctx.Err(); err != nil {
			return fault.Of(err)
		}
		part := buf[:min(uint64(len(buf)), uint64(size)-at)]
		if _, err := io.ReadFull(r, part); err != nil {
			return fmt.Errorf("back up file %016x at %d: %w", uint64(id), at, err)
		}
		if err := send(BackupPart{File: id, Offset: at, Data: part}); err != nil {
			return err
		}
		at += uint64(len(part))
	}
	return nil
}
