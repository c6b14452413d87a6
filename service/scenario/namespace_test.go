//go:build failpoints && linux

package scenario

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// namespace is a private mount namespace, on a thread of its own: what is
// mounted there is seen by the processes started from there and by nobody
// else. When the thread and these processes are gone, so are the mounts and the
// loop devices under them, however the test ended.
type namespace struct {
	work  chan func()
	ended chan struct{}
}

// isolate makes a namespace for the time of the test, and skips the test where
// that cannot be done.
func isolate(t *testing.T, tools ...string) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system of its own needs root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("mounting a file system of its own needs %s: %v", tool, err)
		}
	}
	ns := &namespace{work: make(chan func()), ended: make(chan struct{})}
	apart := make(chan error)
	go func() {
		defer close(ns.ended)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		apart <- err
		for f := range ns.work {
			f()
		}
	}()
	err := <-apart
	t.Cleanup(func() {
		close(ns.work)
		<-ns.ended
	})
	if err != nil {
		t.Skipf("mounting a file system of its own needs a private mount namespace: %v", err)
	}
	return ns
}

// do runs f in the namespace and waits for it.
func (ns *namespace) do(f func()) {
	done := make(chan struct{})
	ns.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// server makes one that runs in the namespace and keeps its data in dir, which
// lies there. It ends with the thread of the namespace, if nothing else ends it.
func (ns *namespace) server(t *testing.T, dir string, failpoints string, args ...string) *server {
	s := &server{t: t, dataDir: filepath.Join(dir, "data"), args: args, within: ns.do, attr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	if failpoints != "" {
		s.env = append(s.env, "ENGRAM_FAILPOINTS="+failpoints)
	}
	s.run("127.0.0.1:0")
	t.Cleanup(s.kill)
	return s
}

// mount mounts what goes by source on dir, until the test ends.
func (ns *namespace) mount(t *testing.T, kind, source, options, dir string) {
	t.Helper()
	out, err := ns.command("mount", "-t", kind, "-o", options, source, dir)
	if err != nil {
		t.Skipf("mount %s: %v: %s", kind, err, out)
	}
	t.Cleanup(func() { // for what is mounted still
		ns.do(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	})
}

func (ns *namespace) unmount(t *testing.T, dir string) {
	t.Helper()
	var err error
	ns.do(func() { err = unix.Unmount(dir, 0) })
	if err != nil {
		t.Fatalf("unmount %s: %v", dir, err)
	}
}

// command runs a program in the namespace.
func (ns *namespace) command(name string, args ...string) (out string, err error) {
	ns.do(func() {
		var b []byte
		b, err = exec.Command(name, args...).CombinedOutput()
		out = strings.TrimSpace(string(b))
	})
	return out, err
}

// disk is an ext4 file system in a file, which can lose its power.
type disk struct {
	t          *testing.T
	ns         *namespace
	image, dir string
}

// newDisk makes and mounts one. It is as big as size says, sparsely.
func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	d := &disk{t: t, ns: isolate(t, "mkfs.ext4", "mount"), image: filepath.Join(t.TempDir(), "disk.img"), dir: t.TempDir()}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	d.mount()
	return d
}

// mount mounts the disk; the loop device under it goes when it is unmounted.
func (d *disk) mount() {
	d.t.Helper()
	d.ns.mount(d.t, "ext4", d.image, "loop", d.dir)
}

// Of <linux/ext4.h>: EXT4_IOC_SHUTDOWN is _IOR('X', 125, __u32).
const (
	ext4Shutdown   = 2<<30 | 4<<16 | 'X'<<8 | 125
	ext4NoLogFlush = 2
)

// cut takes the power away: from here on nothing reaches the disk, not even
// the file system's own journal, and every call that waits for it fails.
func (d *disk) cut() {
	d.t.Helper()
	var fd int
	var err error
	d.ns.do(func() { fd, err = unix.Open(d.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		d.t.Fatal(err)
	}
	flag := uint32(ext4NoLogFlush)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ext4Shutdown, uintptr(unsafe.Pointer(&flag)))
	if err := unix.Close(fd); err != nil {
		d.t.Fatal(err)
	}
	if errno != 0 {
		d.t.Skipf("this kernel cannot cut the power of an ext4: %v", errno)
	}
}

// back brings the power back: the file system is mounted anew and replays its
// journal. Nobody has a file of it open.
func (d *disk) back() {
	d.t.Helper()
	d.ns.unmount(d.t, d.dir)
	d.mount()
}
