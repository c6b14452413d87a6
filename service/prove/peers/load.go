package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The load: what a server under 16 busy sessions does.
const (
	writers     = 16
	batch       = 64
	recordBytes = 3200 // a 768-dimensional vector and a line of text
)

// figures is what one measurement gives.
type figures struct {
	PerSecond     float64 // records
	CPU           float64 // µs a record, user and system, of the process
	Amplification float64 // bytes written to storage over bytes of records
	Ready         float64 // seconds until the store took a batch again
	Read          float64 // seconds more until every record was read
}

// written and reopened are the figures of the two processes of a measurement.
type (
	written  struct{ PerSecond, CPU, Amplification float64 }
	reopened struct{ Ready, Read float64 }
)

// store is what the contestants have in common.
type store interface {
	// write returns once the batch is on stable storage. Writers call it at
	// the same time, each with its number; first is the number of the first
	// record among the writer's.
	write(writer int, first uint64, records [][]byte) error
	// each hands over every record; it is only valid during the call.
	each(fn func(record []byte)) error
	close() error
}

type contestant struct {
	name string
	what string // version and settings, for the page
	open func(dir string) (store, error)
}

// contestants, ours first.
var contestants = []contestant{
	{"journal", "segment files, one frame a batch; records packed into it by the writer", openJournal},
	{"pebble", "key and value a record, no compression, 64 MB memtables", openPebble},
	{"pebble-separated", "the same with value separation", openPebbleSeparated},
	{"pebble-large", "the same with 128 MB memtables and compaction from 8 files of level 0 on: puts more off until after a measurement this long", openPebbleLarge},
	{"bbolt", "`DB.Batch`, free list in memory only", openBolt},
	{"badger", "one transaction a batch, `SyncWrites`, no compression, values of 1 KB and more in the value log", openBadger},
}

// pool makes records that do not compress, as vectors do not, and that differ.
func pool(seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // data for a measurement
	records := make([][]byte, 8*batch)
	for i := range records {
		records[i] = make([]byte, recordBytes)
		for at := 0; at < recordBytes; at += 8 {
			binary.LittleEndian.PutUint64(records[i][at:], r.Uint64())
		}
	}
	return records
}

// batches is how many batches each writer writes: at least the records asked for.
func batches(records int) int { return (records + writers*batch - 1) / (writers * batch) }

func writeAll(c contestant, dir string, records int) (written, error) {
	s, err := c.open(dir)
	if err != nil {
		return written{}, err
	}
	pools := make([][][]byte, writers)
	for w := range pools {
		pools[w] = pool(uint64(w))
	}
	n := batches(records)
	errs := make([]error, writers)
	cpu, wrote, began := ownCPU(), ownWrites(), time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; i < n && errs[w] == nil; i++ {
				at := i * batch % len(pools[w])
				errs[w] = s.write(w, uint64(i*batch), pools[w][at:at+batch])
			}
		})
	}
	wg.Wait()
	took, used, bytes := time.Since(began), ownCPU()-cpu, ownWrites()-wrote
	for _, err := range errs {
		if err != nil {
			return written{}, err
		}
	}
	count := float64(n * writers * batch)
	return written{
		PerSecond: count / took.Seconds(), CPU: float64(used.Nanoseconds()) / 1000 / count,
		Amplification: float64(bytes) / (count * recordBytes),
	}, nil
}

// reopen opens what writeAll has left, writes one batch, and reads everything.
func reopen(c contestant, dir string, records int) (_ reopened, err error) {
	fresh := pool(writers)[:batch]
	began := time.Now()
	s, err := c.open(dir)
	if err != nil {
		return reopened{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	n := batches(records)
	if err := s.write(0, uint64(n*batch), fresh); err != nil {
		return reopened{}, err
	}
	ready := time.Since(began)
	began = time.Now()
	var got tally
	if err := s.each(got.add); err != nil {
		return reopened{}, err
	}
	read := time.Since(began)
	var want tally
	for _, r := range fresh {
		want.add(r)
	}
	for w := range writers {
		p := pool(uint64(w))
		for i := range n * batch {
			want.add(p[i%len(p)])
		}
	}
	if got != want {
		return reopened{}, fmt.Errorf("%d records are there, %d were written; the sum of their checksums is %x, not %x", got.records, want.records, got.sum, want.sum)
	}
	return reopened{Ready: ready.Seconds(), Read: read.Seconds()}, nil
}

// tally tells a set of records from another one, in whatever order they come.
// Every byte is looked at, also by a store that hands out mapped memory.
type tally struct {
	records int
	sum     uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (t *tally) add(record []byte) {
	t.records++
	t.sum += uint64(crc32.Checksum(record, castagnoli))
}

// ownCPU is the processor time of this process, user and system.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ownWrites is how many bytes this process has sent to storage; pages that it
// dirtied count, whoever writes them out.
func ownWrites() int64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// key is the key of a writer's record in the stores that have keys: each
// writer is a space of its own, and its records are numbered.
func key(b []byte, writer int, number uint64) []byte {
	b = binary.BigEndian.AppendUint32(b[:0], uint32(writer)) //nolint:gosec // small
	return binary.BigEndian.AppendUint64(b, number)
}
