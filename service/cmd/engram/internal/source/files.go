package source

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options say how files are read.
type Options struct {
	// Dim is the length of the rows of raw vector files.
	Dim int
	// Stdin stands for "-".
	Stdin io.Reader
}

// textSuffixes are what is read from directories.
var textSuffixes = []string{".md", ".markdown", ".txt", ".rst", ".log", ".jsonl", ".npy"}

// Expand replaces directories by the files in them that can be read, in order
// of name. Hidden files and folders are left out.
func Expand(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if p == "-" || (err == nil && !info.IsDir()) {
			out = append(out, p)
			continue
		}
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			hidden := path != p && strings.HasPrefix(d.Name(), ".")
			switch {
			case err != nil:
				return err
			case d.IsDir() && (hidden || d.Name() == "node_modules"):
				return fs.SkipDir
			case d.Type().IsRegular() && !hidden && slices.Contains(textSuffixes, strings.ToLower(filepath.Ext(path))):
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is nothing to read in %s; files ending in %s are read", strings.Join(paths, ", "), strings.Join(textSuffixes, ", "))
	}
	return out, nil
}

// Files reads the files one after the other, each by its suffix: .jsonl, .npy,
// .f32 (raw vectors), .md, .log (by line); "-" is lines of standard input;
// everything else is text.
func Files(paths []string, o Options) Pieces {
	return func(yield func(Piece, error) bool) {
		for _, p := range paths {
			for piece, err := range file(p, o) {
				if !yield(piece, err) || err != nil {
					return
				}
			}
		}
	}
}

func file(path string, o Options) Pieces {
	if path == "-" {
		return Lines("stdin", o.Stdin)
	}
	return func(yield func(Piece, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Piece{}, err)
			return
		}
		defer f.Close() //nolint:errcheck // only read
		name := filepath.ToSlash(filepath.Clean(path))
		var pieces Pieces
		switch strings.ToLower(filepath.Ext(path)) {
		case ".jsonl", ".ndjson":
			pieces = JSONL(name, f)
		case ".npy":
			pieces = NPY(name, f)
		case ".f32", ".fvec", ".bin":
			if o.Dim == 0 {
				yield(Piece{}, fmt.Errorf("%s: raw vectors need --dim, the length of a row", path))
				return
			}
			pieces = Raw(name, f, o.Dim)
		case ".log":
			pieces = Lines(name, f)
		case ".md", ".markdown":
			pieces = Text(name, f, true)
		default:
			pieces = Text(name, f, false)
		}
		pieces(yield)
	}
}
