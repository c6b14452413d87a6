package vfs

import "sync"

// Op is a kind of call that an [Inject] can make fail.
type Op string

// The calls that are counted and shown to the hook.
const (
	OpCreate      Op = "create"
	OpOpen        Op = "open"
	OpRead        Op = "read"
	OpWrite       Op = "write"
	OpSync        Op = "sync"
	OpPreallocate Op = "preallocate"
	OpTruncate    Op = "truncate"
	OpRemove      Op = "remove"
	OpRename      Op = "rename"
	OpSyncDir     Op = "syncdir"
	OpMap         Op = "map"
)

// Call is one call before it is made.
type Call struct {
	Op   Op
	Name string // of the file or directory
	N    int    // the how-manieth of this Op, from 1
}

// Inject wraps a file system and makes chosen calls fail. Safe for concurrent
// use; mu guards the counts and the rules and is not held during a call.
type Inject struct {
	FS
	mu    sync.Mutex
	count map[Op]int
	hook  func(Call) error
}

// NewInject wraps fs. hook, which may be nil, sees every call before it is
// made, on the caller's goroutine; an error it returns is the call's result
// and the call is not made, but for a write, of which the first half is
// written, as happens when a disk fills up.
func NewInject(fs FS, hook func(Call) error) *Inject {
	return &Inject{FS: fs, count: map[Op]int{}, hook: hook}
}

// FailNth is a hook that fails the n-th call (from 1) of one kind with err;
// with n = 0 it fails every one.
func FailNth(op Op, n int, err error) func(Call) error {
	return func(c Call) error {
		if c.Op == op && (n == 0 || c.N == n) {
			return pathError(string(op), c.Name, err)
		}
		return nil
	}
}

// SetHook replaces the hook; counting goes on.
func (i *Inject) SetHook(hook func(Call) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hook = hook
}

// Count tells how many calls of this kind there were.
func (i *Inject) Count(op Op) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count[op]
}

func (i *Inject) before(op Op, name string) error {
	i.mu.Lock()
	i.count[op]++
	call, hook := Call{Op: op, Name: name, N: i.count[op]}, i.hook
	i.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(call)
}

// Create implements [FS].
func (i *Inject) Create(name string) (File, error) {
	return i.open(OpCreate, name, i.FS.Create)
}

// OpenRead implements [FS].
func (i *Inject) OpenRead(name string) (File, error) {
	return i.open(OpOpen, name, i.FS.OpenRead)
}

// OpenReadWrite implements [FS].
func (i *Inject) OpenReadWrite(name string) (File, error) {
	return i.open(OpOpen, name, i.FS.OpenReadWrite)
}

func (i *Inject) open(op Op, name string, open func(string) (File, error)) (File, error) {
	if err := i.before(op, name); err != nil {
		return nil, err
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	return &injectFile{File: f, fs: i, name: name}, nil
}

// Remove implements [FS].
func (i *Inject) Remove(name string) error {
	if err := i.before(OpRemove, name); err != nil {
		return err
	}
	return i.FS.Remove(name)
}

// Rename implements [FS].
func (i *Inject) Rename(oldName, newName string) error {
	if err := i.before(OpRename, oldName); err != nil {
		return err
	}
	return i.FS.Rename(oldName, newName)
}

// SyncDir implements [FS].
func (i *Inject) SyncDir(dir string) error {
	if err := i.before(OpSyncDir, dir); err != nil {
		return err
	}
	return i.FS.SyncDir(dir)
}

// Map implements [FS].
func (i *Inject) Map(name string, offset, length int64, private bool) (Mapping, error) {
	if err := i.before(OpMap, name); err != nil {
		return nil, err
	}
	return i.FS.Map(name, offset, length, private)
}

type injectFile struct {
	File
	fs   *Inject
	name string
}

func (f *injectFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.before(OpRead, f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *injectFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.before(OpWrite, f.name); err != nil {
		n, writeErr := f.File.WriteAt(p[:len(p)/2], off)
		if writeErr != nil {
			return n, writeErr
		}
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *injectFile) Sync() error {
	if err := f.fs.before(OpSync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *injectFile) Preallocate(size int64) error {
	if err := f.fs.before(OpPreallocate, f.name); err != nil {
		return err
	}
	return f.File.Preallocate(size)
}

func (f *injectFile) Truncate(size int64) error {
	if err := f.fs.before(OpTruncate, f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}
