package vfs

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that knows what a power cut would leave of
// it. Safe for concurrent use: one lock, mu, guards everything, also the
// content of its files, and is held by no call while another one runs.
type Mem struct {
	mu       sync.Mutex
	rng      *rand.Rand
	dirs     map[string]*memDir
	locks    map[string]bool
	capacity int64 // bytes; 0 is without limit
}

// memDir is a directory: its names now, on stable storage, and the way from
// there to here.
type memDir struct {
	cached  map[string]*memNode
	durable map[string]*memNode
	pending []dirChange
}

// dirChange gives name a node and, in the same step, takes it from another
// name. A nil node removes the name.
type dirChange struct {
	name string
	node *memNode
	from string // of a rename, else empty
}

func (c dirChange) apply(names map[string]*memNode) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.node == nil {
		delete(names, c.name)
		return
	}
	names[c.name] = c.node
}

func (d *memDir) do(c dirChange) {
	c.apply(d.cached)
	d.pending = append(d.pending, c)
}

// NewMem makes an empty file system. What its crashes drop and keep follows
// from the seed.
func NewMem(seed uint64) *Mem {
	m := &Mem{rng: rand.New(rand.NewPCG(seed, 0)), dirs: map[string]*memDir{}, locks: map[string]bool{}}
	for _, root := range []string{".", "/"} {
		m.dirs[root] = newMemDir()
	}
	return m
}

func newMemDir() *memDir {
	return &memDir{cached: map[string]*memNode{}, durable: map[string]*memNode{}}
}

// SetCapacity limits the sum of the sizes of all files, in bytes; beyond it
// writes fail with ENOSPC. 0 lifts the limit.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Crash returns the file system as it may be after a power cut at this moment:
//
//   - what was synced is there;
//   - a write since then is kept, dropped, or torn at 512-byte boundaries;
//   - a name that was created, renamed or removed without [FS.SyncDir] since
//     is changed or as before, each change for itself;
//   - nobody holds a lock.
//
// The original goes on as if nothing had happened, so that one run can be cut
// at many moments.
func (m *Mem) Crash() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem(m.rng.Uint64())
	after.capacity = m.capacity
	nodes := map[*memNode]*memNode{}
	// Maps are walked in sorted order so that the seed alone decides.
	for _, dir := range sortedKeys(m.dirs) {
		d := m.dirs[dir]
		names := make(map[string]*memNode, len(d.durable))
		for name, node := range d.durable {
			names[name] = node
		}
		for _, c := range d.pending {
			if m.rng.IntN(2) == 0 {
				c.apply(names)
			}
		}
		left := newMemDir()
		for _, name := range sortedKeys(names) {
			node := names[name]
			if nodes[node] == nil {
				nodes[node] = node.afterCrash(m.rng)
			}
			left.cached[name], left.durable[name] = nodes[node], nodes[node]
		}
		after.dirs[dir] = left
	}
	return after
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// find gives the directory and the node of a name. Needs mu.
func (m *Mem) find(op, name string) (*memDir, *memNode, error) {
	d, err := m.dir(op, path.Dir(path.Clean(name)))
	if err != nil {
		return nil, nil, err
	}
	node := d.cached[path.Base(name)]
	if node == nil {
		return d, nil, pathError(op, name, fs.ErrNotExist)
	}
	return d, node, nil
}

func (m *Mem) dir(op, name string) (*memDir, error) {
	d := m.dirs[path.Clean(name)]
	if d == nil {
		return nil, pathError(op, name, fs.ErrNotExist)
	}
	return d, nil
}

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, node, err := m.find("create", name)
	if d == nil {
		return nil, err
	}
	if node == nil {
		node = &memNode{}
		d.do(dirChange{name: path.Base(name), node: node})
	} else {
		node.resize(0)
	}
	return &memFile{fs: m, node: node, name: name, writable: true}, nil
}

// OpenRead implements [FS].
func (m *Mem) OpenRead(name string) (File, error) { return m.open(name, false) }

// OpenReadWrite implements [FS].
func (m *Mem) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, node, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	return &memFile{fs: m, node: node, name: name, writable: writable}, nil
}

// Remove implements [FS].
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, _, err := m.find("remove", name)
	if err != nil {
		return err
	}
	d.do(dirChange{name: path.Base(name)})
	return nil
}

// Rename implements [FS]. Both names have to be in one directory: across two
// it would need two SyncDirs, and nothing here moves files that way.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, node, err := m.find("rename", oldName)
	if err != nil {
		return err
	}
	if path.Dir(path.Clean(oldName)) != path.Dir(path.Clean(newName)) {
		return pathError("rename", newName, syscall.EXDEV)
	}
	if path.Base(oldName) != path.Base(newName) {
		d.do(dirChange{name: path.Base(newName), node: node, from: path.Base(oldName)})
	}
	return nil
}

// List implements [FS].
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir("list", dir)
	if err != nil {
		return nil, err
	}
	names := sortedKeys(d.cached)
	prefix := path.Clean(dir) + "/"
	for other := range m.dirs {
		if child, ok := strings.CutPrefix(other, prefix); ok && !strings.Contains(child, "/") {
			names = append(names, child)
		}
	}
	slices.Sort(names)
	return names, nil
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir = path.Clean(dir); m.dirs[dir] == nil; dir = path.Dir(dir) {
		m.dirs[dir] = newMemDir()
	}
	return nil
}

// Stat implements [FS].
func (m *Mem) Stat(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, node, err := m.find("stat", name)
	if err != nil {
		return 0, err
	}
	return int64(len(node.cached)), nil
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir("syncdir", dir)
	if err != nil {
		return err
	}
	for _, c := range d.pending {
		c.apply(d.durable)
	}
	d.pending = nil
	return nil
}

// used is the sum of the sizes of all files. Needs mu.
func (m *Mem) used() int64 {
	var sum int64
	for _, d := range m.dirs {
		for _, node := range d.cached {
			sum += int64(len(node.cached))
		}
	}
	return sum
}

// Space implements [FS]. Without a limit there is 1 TiB.
func (m *Mem) Space(dir string) (Space, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.dir("space", dir); err != nil {
		return Space{}, err
	}
	total := m.capacity
	if total == 0 {
		total = 1 << 40
	}
	return Space{Free: uint64(max(total-m.used(), 0)), Total: uint64(total)}, nil
}

// Lock implements [FS].
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if _, err := m.dir("lock", path.Dir(name)); err != nil {
		return nil, err
	}
	if m.locks[name] {
		return nil, pathError("lock", name, ErrLocked)
	}
	m.locks[name] = true
	return &memLock{fs: m, name: name}, nil
}

type memLock struct {
	fs   *Mem
	name string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.fs.mu.Lock()
		defer l.fs.mu.Unlock()
		delete(l.fs.locks, l.name)
	})
	return nil
}

// Map implements [FS]: it is a copy of the range, private or not.
func (m *Mem) Map(name string, offset, length int64, _ bool) (Mapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, node, err := m.find("map", name)
	if err != nil {
		return nil, err
	}
	if err := mapRange(name, offset, length, int64(len(node.cached))); err != nil {
		return nil, err
	}
	b := alignedBytes(offset, length)
	copy(b, node.cached[offset:])
	return &heapMapping{name: name, bytes: b}, nil
}
