package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func backupCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "backup --out DIR", Short: "Copy everything a server holds into a directory", Args: cobra.NoArgs,
		Long: `Has the server write a checkpoint and copies it into a new directory, while the
server goes on. Everything that was acknowledged as durable before is in it. What
arrives is verified, checksum by checksum, and is on stable storage when the verb
returns. 'engram restore' makes a data directory of it, 'engram doctor' verifies
it again.`,
		Example: "  engram backup --out /backups/engram-monday",
	}
	c.Flags().StringVarP(&out, "out", "o", "", "the directory to make; it may be there, if it is empty")
	return clientVerb(c, func(ctx context.Context, v *verb, _ []string) error {
		if out == "" {
			return usageError("--out is missing: where is the backup to go?")
		}
		began := time.Now()
		got, err := backup(v, v.client.Backup(ctx), out)
		if err != nil {
			return err
		}
		if v.json {
			return v.printJSON(got)
		}
		v.printf("backed up %d spaces in %d files, %.1f MB, verified, in %.1f s: %s\n", got.Spaces, got.Files, float64(got.Bytes)/1e6, time.Since(began).Seconds(), out)
		return nil
	})
}

// backedUp is what a backup has.
type backedUp struct {
	Dir      string `json:"dir"`
	Catalog  uint64 `json:"catalog"`
	Position uint64 `json:"position"`
	Spaces   int    `json:"spaces"`
	Files    int    `json:"files"`
	Bytes    uint64 `json:"bytes"`
}

// backup receives a backup into a directory.
func backup(v *verb, parts iter.Seq2[*engram.BackupPart, error], dir string) (backedUp, error) {
	next, stop := iter.Pull2(parts)
	defer stop()
	in := &arriving{next: next}
	if err := in.advance(); err != nil {
		return backedUp{}, err
	}
	begin := in.part.GetBegin()
	if begin == nil {
		return backedUp{}, errors.New("the server's backup does not begin as one")
	}
	catalog, err := checkpoint.DecodeCatalog(begin.CatalogNumber, begin.Catalog)
	if err != nil {
		return backedUp{}, fmt.Errorf("read the server's catalog: %w", err)
	}
	in.bar = v.progressOf("backing up", int64(begin.Bytes))
	defer in.bar.Finish() //nolint:errcheck // only looks
	if err := in.advance(); err != nil {
		return backedUp{}, err
	}
	fs := vfs.OS()
	if err := checkpoint.Install(fs, dir, *catalog, in.file); err != nil {
		return backedUp{}, occupied(err)
	}
	if in.part.GetEnd() == nil {
		return backedUp{}, errors.New("the server sent more than its catalog names")
	}
	return backedUp{
		Dir: dir, Catalog: catalog.Number, Position: catalog.Position, Spaces: len(catalog.Spaces), Files: len(catalog.Files()), Bytes: begin.Bytes,
	}, verified(fs, dir)
}

// occupied makes it wrong usage that a directory is not empty.
func occupied(err error) error {
	var o *checkpoint.OccupiedError
	if errors.As(err, &o) {
		return usageError("%w; give a new directory", err)
	}
	return err
}

// verified reads a directory of checkpoints once more, as it is on the disk.
func verified(fs vfs.FS, dir string) error {
	found, err := checkpoint.VerifyDir(fs, dir)
	if err != nil {
		return err
	}
	if len(found.Damage) > 0 {
		return fmt.Errorf("verify %s: %w", dir, errors.Join(found.Damage...))
	}
	return nil
}

// arriving is a backup on its way: part is the one to be handled next.
type arriving struct {
	next func() (*engram.BackupPart, error, bool)
	part *engram.BackupPart
	bar  *progressbar.ProgressBar
}

func (a *arriving) advance() error {
	part, err, ok := a.next()
	if !ok {
		return io.ErrUnexpectedEOF
	}
	a.part = part
	return err
}

// file gives the bytes of one file as they arrive.
func (a *arriving) file(id checkpoint.FileID) (io.ReadCloser, error) {
	return &arrivingFile{a: a, id: id}, nil
}

type arrivingFile struct {
	a    *arriving
	id   checkpoint.FileID
	at   uint64
	rest []byte
}

// Read implements io.Reader. The end of a file is told by the part after it:
// that of a backup which was cut short is never seen.
func (f *arrivingFile) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		c := f.a.part.GetChunk()
		if c == nil || c.File != uint64(f.id) {
			return 0, io.EOF
		}
		if c.Offset != f.at {
			return 0, fmt.Errorf("the server sent byte %d of the file where %d is next", c.Offset, f.at)
		}
		f.rest = c.Data
		f.at += uint64(len(c.Data))
		_ = f.a.bar.Add(len(c.Data)) //nolint:errcheck // only looks
		if err := f.a.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *arrivingFile) Close() error { return nil }
