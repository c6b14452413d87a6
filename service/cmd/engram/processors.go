package main

import (
	"os"
	"runtime"
)

// spare is how many processors more than the machine has the scheduler gets. One
// is for the index worker: its thread has a low priority, and while the kernel
// keeps it waiting for somebody else, it holds on to its processor. The other is
// for who writes to the disk: a goroutine in a system call holds on to its own for
// up to ten milliseconds, and a checkpoint and the journal had both that there
// were, while recalls waited.
const spare = 2

// spareProcessors gives them to the scheduler.
//
// Where GOMAXPROCS is set, or a quota of the control group made it smaller than
// the machine, it is left alone: threads more would use up the quota, whatever
// their priority.
func spareProcessors() {
	if n := runtime.NumCPU(); os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == n {
		runtime.GOMAXPROCS(n + spare)
	}
}
