package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Writer writes one data file. It belongs to one goroutine at a time and ends
// with Finish or Abort. After a write that failed, every call but Abort gives
// that error.
type Writer struct {
	s    *Store
	id   FileID
	file vfs.File
	pace func(bytes int)

	buf     []byte // the block that is being filled
	written uint64 // bytes of the blocks before it
	sums    []uint32
	err     error
	filling bool // a Section is under way
	state   writerState
}

type writerState uint8

const (
	writing writerState = iota
	finished
	aborted
)

// firstBuffer is the room a writer begins with, in bytes. It grows to a block:
// most files of small spaces never need one.
const firstBuffer = 4096

// errWriterEnded is returned by a writer that was finished or aborted.
var errWriterEnded = errors.New("the checkpoint file is finished or aborted")

// errNested is returned by a writer whose section is being filled.
var errNested = errors.New("a section of the checkpoint file is being filled")

// Create begins a data file with an id of its own. pace, which may be nil, is
// called before each write with the number of bytes and may wait. The writer has
// a buffer of at most one block.
//
// A finished file is for the next Commit: one that begins after Finish and
// does not name it removes it.
func (s *Store) Create(pace func(bytes int)) (*Writer, error) {
	s.mu.Lock()
	err := s.usable()
	id := s.nextFile
	if err == nil {
		s.nextFile++
		s.files[id] = &dataFile{}
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	file, err := s.fs.Create(s.path(dataName(id)))
	if err != nil {
		s.forget(id)
		return nil, fmt.Errorf("create checkpoint file: %w", err)
	}
	if pace == nil {
		pace = func(int) {}
	}
	w := &Writer{s: s, id: id, file: file, pace: pace, buf: make([]byte, 0, firstBuffer)}
	w.buf = appendHeader(w.buf, id)
	return w, nil
}

func (s *Store) forget(id FileID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, id)
}

// ID is the file's id.
func (w *Writer) ID() FileID { return w.id }

// Size is how many bytes the file has so far, without its footer.
func (w *Writer) Size() uint64 { return w.written + uint64(len(w.buf)) }

// Append writes b as one section.
func (w *Writer) Append(b []byte) (Ref, error) {
	return w.Section(func(to io.Writer) error {
		_, err := to.Write(b)
		return err
	})
}

// Section writes what fill writes as one section. When fill fails, its error
// is returned and what it wrote stays in the file as bytes that no Ref names;
// the file can be gone on with.
func (w *Writer) Section(fill func(io.Writer) error) (Ref, error) {
	switch {
	case w.state != writing:
		return Ref{}, errWriterEnded
	case w.filling:
		return Ref{}, errNested
	}
	if pad := -w.Size() % Align; pad > 0 {
		var zeros [Align]byte
		if _, err := w.write(zeros[:pad]); err != nil {
			return Ref{}, err
		}
	}
	from := w.Size()
	w.filling = true
	err := fill(sectionWriter{w})
	w.filling = false
	if err == nil {
		err = w.err // which fill may have swallowed
	}
	if err != nil {
		return Ref{}, err
	}
	return Ref{File: w.id, Offset: from, Length: w.Size() - from}, nil
}

// sectionWriter is what fill gets.
type sectionWriter struct{ w *Writer }

func (s sectionWriter) Write(b []byte) (int, error) { return s.w.write(b) }

func (w *Writer) write(b []byte) (int, error) {
	if w.err == nil && uint64(len(b)) > maxData-w.Size() {
		w.err = &LimitError{What: "the checkpoint file", Size: w.Size() + uint64(len(b)), Limit: maxData}
	}
	total := len(b)
	for len(b) > 0 && w.err == nil {
		n := min(len(b), BlockSize-len(w.buf))
		w.buf = append(w.buf, b[:n]...)
		b = b[n:]
		if len(w.buf) == BlockSize {
			w.flush()
		}
	}
	return total - len(b), w.err
}

// flush writes the block out.
func (w *Writer) flush() {
	w.sums = append(w.sums, blockSum(w.id, len(w.sums), w.buf))
	if w.err = w.put(w.buf); w.err == nil {
		w.written += uint64(len(w.buf))
		w.buf = w.buf[:0]
	}
}

// writePiece is how many bytes are written at once: a thread that is in the
// kernel for long keeps a processor from others.
const writePiece = 256 << 10

func (w *Writer) put(b []byte) error {
	for at := int64(w.written); len(b) > 0; {
		piece := b[:min(len(b), writePiece)]
		w.pace(len(piece))
		if _, err := w.file.WriteAt(piece, at); err != nil {
			return fmt.Errorf("write checkpoint file: %w", err)
		}
		at, b = at+int64(len(piece)), b[len(piece):]
	}
	return nil
}

// Finish writes the footer, puts the file on stable storage and closes it. Its
// name is so with the Commit that names it. After an error the file is gone.
func (w *Writer) Finish() error {
	if w.state != writing || w.filling {
		return errWriterEnded
	}
	if err := w.seal(); err != nil {
		return errors.Join(err, w.Abort())
	}
	return nil
}

func (w *Writer) seal() error {
	if w.err != nil {
		return w.err
	}
	data := w.Size()
	if len(w.buf) > 0 {
		if w.flush(); w.err != nil {
			return w.err
		}
	}
	end := (&footer{id: w.id, data: data, sums: w.sums}).append(w.buf[:0])
	if w.err = w.put(end); w.err != nil {
		return w.err
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync checkpoint file: %w", err)
	}
	file := w.file
	w.file, w.buf = nil, nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("close checkpoint file: %w", err)
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if err := w.s.usable(); err != nil {
		return err
	}
	f := w.s.files[w.id]
	f.size, f.fresh, f.round = data+uint64(len(end)), true, w.s.round
	w.state = finished
	return nil
}

// Abort removes the file. It can also be called after Finish, and does nothing
// once a Commit has named the file or removed it.
func (w *Writer) Abort() error {
	var closed error
	switch w.state {
	case aborted:
		return nil
	case finished:
		if !w.s.giveUp(w.id) {
			return nil
		}
	default:
		if w.file != nil {
			closed = w.file.Close()
		}
		w.s.forget(w.id)
	}
	w.state, w.file, w.buf = aborted, nil, nil
	w.s.mu.Lock()
	mine := !w.s.closed // else the directory may be another's
	w.s.mu.Unlock()
	if !mine {
		return closed
	}
	err := w.s.fs.Remove(w.s.path(dataName(w.id)))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err = errors.Join(closed, err); err != nil {
		return fmt.Errorf("remove checkpoint file: %w", err)
	}
	return nil
}

// giveUp forgets a finished file that no Commit has named. A Commit that is
// under way may name it: that one is waited for.
func (s *Store) giveUp(id FileID) bool {
	s.committing.Lock()
	defer s.committing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	if f == nil || !f.fresh || f.holds > 0 {
		return false
	}
	delete(s.files, id)
	return true
}
