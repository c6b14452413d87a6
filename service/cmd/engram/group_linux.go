package main

import "syscall"

// ownGroup puts a child into a process group of its own, so that a Ctrl-C
// reaches it by way of us alone, and only once; and has it stop in good order
// when we end without telling it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
