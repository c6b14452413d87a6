package checkpoint

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// blocksPerWorker is how many blocks are worth a goroutine: 4 MiB are verified
// in about 0.4 ms, much more than a goroutine costs.
const blocksPerWorker = 4

// Verify verifies every block a section lies in, one after the other and each
// once, and calls between after each. [File.Section] does so on all processors.
func (f *File) Verify(r Ref, between func()) error {
	if err := f.within(r); err != nil || r.Length == 0 {
		return err
	}
	for n := int(r.Offset / BlockSize); n <= int((r.Offset+r.Length-1)/BlockSize); n++ {
		if f.sound[n].Load() {
			continue
		}
		if err := f.verifyBlock(n); err != nil {
			return err
		}
		between()
	}
	return nil
}

// verify finds out whether the blocks from..to (exclusive) are whole, and
// remembers it of those that are. Damage is reported of the first block that
// has it.
func (f *File) verify(from, to int) error {
	for from < to && f.sound[from].Load() {
		from++
	}
	if from == to {
		return nil // as it is for all but the first who ask
	}
	pending := make([]int, 0, to-from)
	for n := from; n < to; n++ {
		if !f.sound[n].Load() {
			pending = append(pending, n)
		}
	}
	workers := min(runtime.GOMAXPROCS(0), (len(pending)+blocksPerWorker-1)/blocksPerWorker)
	if workers <= 1 {
		for _, n := range pending {
			if err := f.verifyBlock(n); err != nil {
				return err
			}
		}
		return nil
	}
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		mu     sync.Mutex
		broken = len(pending) // the first that is damaged; guarded by mu
		damage error
	)
	for range workers {
		wg.Go(func() {
			for {
				at := int(next.Add(1)) - 1
				if at >= len(pending) {
					return
				}
				err := f.verifyBlock(pending[at])
				if err == nil {
					continue
				}
				// Those before it are being verified by others already.
				mu.Lock()
				if at < broken {
					broken, damage = at, err
				}
				mu.Unlock()
				return
			}
		})
	}
	wg.Wait()
	return damage
}

// verifyBlock verifies one block through the mapping. A page that the disk
// does not deliver is a fault of the processor (SIGBUS), which is damage too.
func (f *File) verifyBlock(n int) (err error) {
	from, to := f.foot.block(n)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &DamageError{File: f.name, Offset: int64(from), Cause: fmt.Errorf("read block %d: %v", n, p)}
		}
	}()
	err = f.foot.check(f.name, n, f.bytes[from:to])
	runtime.KeepAlive(f)
	if err == nil {
		f.sound[n].Store(true)
	}
	return err
}
