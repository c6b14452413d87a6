package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockedBy gives the process that holds the lock of a file, without asking for
// the lock: the kernel lists them all (proc_locks(5)). 0 is nobody, or nobody
// who can be seen from here.
func lockedBy(name string) int {
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil {
		return 0
	}
	list, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer list.Close() //nolint:errcheck // only read
	file := fmt.Sprintf(":%d", st.Ino)
	for lines := bufio.NewScanner(list); lines.Scan(); {
		// 1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], file) {
			continue
		}
		if device, ok := strings.CutSuffix(f[5], file); !ok || device != fmt.Sprintf("%02x:%02x", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev))) {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
