package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/doctor"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func restoreCommand() *cobra.Command {
	var from, to string
	c := &cobra.Command{
		Use: "restore --from DIR --data-dir DIR", Short: "Make a data directory of a backup", Args: cobra.NoArgs,
		Long: `Makes a new data directory of what 'engram backup' wrote, for a server that is
then started on it. Every checksum is verified on the way. A directory that has
anything in it is refused. One that an interrupted restore left cannot be served:
remove it and begin again.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" || to == "" {
				return usageError("--from and --data-dir are both needed: the backup, and the directory to make")
			}
			catalog, err := restore(vfs.OS(), filepath.ToSlash(from), filepath.ToSlash(to))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "restored %d spaces, verified; start the server with --data-dir %s\n", len(catalog.Spaces), to)
			return err
		},
	}
	c.Flags().StringVar(&from, "from", "", "the backup")
	c.Flags().StringVar(&to, "data-dir", "", "the data directory to make; it may be there, if it is empty")
	return c
}

// restore installs the checkpoint of a backup and makes the journal that goes
// on behind it.
func restore(disk vfs.FS, from, to string) (*checkpoint.Catalog, error) {
	found, err := checkpoint.VerifyDir(disk, from)
	if err != nil {
		return nil, usageError("read the backup: %w", err)
	}
	if len(found.Damage) > 0 {
		return nil, fmt.Errorf("the backup is damaged, and nothing was restored; 'engram doctor --data-dir %s' says more: %w", from, errors.Join(found.Damage...))
	}
	if len(found.Catalogs) == 0 || found.Unfinished {
		return nil, usageError("%s is no backup, or one that was not finished", from)
	}
	// A backup has one; of several, as in the checkpoints of a server, a journal
	// would be needed too.
	if len(found.Catalogs) > 1 {
		return nil, usageError("%s has %d catalogs, and a backup one: is it the data directory of a server?", from, len(found.Catalogs))
	}
	catalog, err := checkpoint.ReadCatalog(disk, from, found.Catalogs[0].Number)
	if err != nil {
		return nil, err
	}
	names, err := disk.List(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(names) > 0 {
		return nil, usageError("%s is not empty: it has %s; give a new directory", to, names[0])
	}
	// The journal comes last: checkpoints without one are refused by a start,
	// while a journal alone would look like a server that has nothing yet.
	err = checkpoint.Install(disk, to+"/"+doctor.CheckpointDir, *catalog, func(id checkpoint.FileID) (io.ReadCloser, error) {
		return openFile(disk, from+"/"+checkpoint.DataName(id))
	})
	if err != nil {
		return nil, err
	}
	return catalog, journal.Create(journal.Options{FS: disk, Dir: to + "/" + doctor.JournalDir}, catalog.Journal, journal.Position(catalog.Position))
}

// openFile reads a file from its beginning.
func openFile(disk vfs.FS, name string) (io.ReadCloser, error) {
	f, err := disk.OpenRead(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, 0, size), f}, nil
}
