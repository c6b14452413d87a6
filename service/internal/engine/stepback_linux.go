package engine

import (
	"golang.org/x/sys/unix"
)

const (
	// indexNice makes an index worker's thread count for a tenth of another
	// where both want a core.
	indexNice = 10
	// indexTurn is how long the kernel lets it run before it looks again who
	// else is there. What wakes up waits for the end of a turn, which is 3 ms by
	// default. Kernels before 6.12 do not know of it.
	indexTurn = 100_000 // ns, the least there is
)

// stepBack lets the calling thread have what others leave of the cores, as far
// as the kernel allows: see sched_setattr(2). It cannot be taken back, so the
// thread has to end with its goroutine.
func stepBack() error {
	a := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: indexNice, Runtime: indexTurn}
	if err := unix.SchedSetAttr(0, &a, 0); err != nil {
		return unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), indexNice)
	}
	return nil
}
