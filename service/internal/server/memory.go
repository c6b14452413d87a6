package server

import (
	"bufio"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryLimit is what the process may take: what was asked for, and in any case
// at most three quarters of what there is, so that the system never has to end
// it. 0 is no bound: nothing was asked for, and what there is is not known.
func memoryLimit(wanted, there int64) int64 {
	most := there / 4 * 3
	switch {
	case there <= 0:
		return wanted
	case wanted <= 0:
		return most
	}
	return min(wanted, most)
}

// machineMemory is the memory of the machine or of the container, whichever is
// less, in bytes; 0 if neither can be found out.
func machineMemory() int64 {
	least := int64(math.MaxInt64)
	if f, err := os.Open("/proc/meminfo"); err == nil {
		least = min(least, totalOf(f))
		_ = f.Close() //nolint:errcheck // it was read
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(path); err == nil {
			least = min(least, boundOf(string(b)))
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// totalOf reads what /proc/meminfo says.
func totalOf(r io.Reader) int64 {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "MemTotal:" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n > 0 && n < math.MaxInt64>>10 {
				return n << 10
			}
		}
	}
	return math.MaxInt64
}

// boundOf reads what a control group says: a number of bytes, or max.
func boundOf(text string) int64 {
	if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n > 0 {
		return n
	}
	return math.MaxInt64
}

// heapLimiter is what tells the collector how much the heap may take; nil when
// the environment does so already.
func heapLimiter() func(int64) int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return debug.SetMemoryLimit
}
