//go:build unix

package space

import "golang.org/x/sys/unix"

func mapAnonymous(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// unmapAnonymous cannot fail for what mapAnonymous gave.
func unmapAnonymous(b []byte) { _ = unix.Munmap(b) }
