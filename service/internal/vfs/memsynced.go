package vfs

import "slices"

// Synced returns the file system as a power cut at this moment leaves it at
// worst: what was synced, and nothing of what was not. It is one of the
// outcomes of [Mem.Crash], which is hardly ever drawn when much is pending.
// The original goes on as if nothing had happened.
func (m *Mem) Synced() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem(m.rng.Uint64())
	after.capacity = m.capacity
	nodes := map[*memNode]*memNode{}
	for dir, d := range m.dirs {
		left := newMemDir()
		for name, node := range d.durable {
			if nodes[node] == nil {
				nodes[node] = &memNode{cached: slices.Clone(node.durable), durable: slices.Clone(node.durable)}
			}
			left.cached[name], left.durable[name] = nodes[node], nodes[node]
		}
		after.dirs[dir] = left
	}
	return after
}
