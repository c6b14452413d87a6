//go:build unix && !linux

package main

import "syscall"

// ownGroup puts a child into a process group of its own, so that a Ctrl-C
// reaches it by way of us alone, and only once.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
