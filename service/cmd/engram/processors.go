package main

import (
	"os"
	"runtime"
)

// spareProcessor gives the scheduler one processor more than the machine has, for
// the index worker. Its thread has a low priority: while the kernel keeps it
// waiting for somebody else, it holds on to its processor, and the server would
// have one less.
//
// Where GOMAXPROCS is set, or a quota of the control group made it smaller than
// the machine, it is left alone: a thread more would use up the quota, whatever
// its priority.
func spareProcessor() {
	if n := runtime.NumCPU(); os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == n {
		runtime.GOMAXPROCS(n + 1)
	}
}
