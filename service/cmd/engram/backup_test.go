package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/internal/doctor"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// servedFrom starts a server on a data directory; stop ends it in order.
func servedFrom(t *testing.T, dir string) (c client, stop func()) {
	t.Helper()
	p, addr := servingFrom(t, dir)
	return client{t, addr}, func() {
		t.Helper()
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(t, p); code != exitOK {
			t.Fatalf("the server ended with %d", code)
		}
	}
}

// checkpointFile gives the path of some data file in a directory.
func checkpointFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.ckpt"))
	if err != nil || len(found) == 0 {
		t.Fatal("no checkpoint file in", dir, err)
	}
	return found[0]
}

func flipBit(t *testing.T, name string, off int64) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 4
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A backup of a running server comes back as it was, on a new data directory;
// the doctor finds all three directories sound, and a flipped bit in each.
func TestBackupRestoreDoctor(t *testing.T) {
	root := t.TempDir()
	data, saved, restored := filepath.Join(root, "data"), filepath.Join(root, "saved"), filepath.Join(root, "restored")
	c, stop := servedFrom(t, data)
	fill(t, c)
	c.says("checkpoint 1: 1 spaces", exitOK, "checkpoint")
	c.says("number 1, ", exitOK, "status")
	c.run(exitOK, "kept after the checkpoint\n", "observe", "later")
	want, later := exported(t, c, "notes"), exported(t, c, "later")
	c.says("backed up 2 spaces", exitOK, "backup", "--out", saved)
	c.says("is not empty", exitUsage, "backup", "--out", saved)
	c.says("--out is missing", exitUsage, "backup")
	c.run(exitOK, "kept after the backup\n", "observe", "later")
	if runtime.GOOS == "linux" {
		c.says("has it open", exitOK, "doctor", "--data-dir", data)
	}
	out, _ := c.run(exitOK, "", "checkpoint", "--erase", "--json")
	var done engram.Checkpoint
	if err := json.Unmarshal([]byte(out), &done); err != nil || done.Catalog < 3 || done.Spaces == 0 {
		t.Error(out, err)
	}
	stop()

	c.says("Everything is sound", exitOK, "doctor", "--data-dir", data)
	c.says("restored is not there", exitUsage, "restore", "--from", filepath.Join(root, "restored is not there"), "--data-dir", restored)
	c.says("are both needed", exitUsage, "restore", "--from", saved)
	c.says("and a backup one", exitUsage, "restore", "--from", filepath.Join(data, "checkpoints"), "--data-dir", restored)
	c.says("restored 2 spaces", exitOK, "restore", "--from", saved, "--data-dir", restored)
	c.says("is not empty", exitUsage, "restore", "--from", saved, "--data-dir", restored)
	for _, dir := range []string{saved, restored} {
		c.says("Everything is sound", exitOK, "doctor", "--data-dir", dir)
	}
	from, stop := servedFrom(t, restored)
	if diff := cmp.Diff(want, exported(t, from, "notes")); diff != "" {
		t.Error("notes after the restore (-want +got):\n", diff)
	}
	if diff := cmp.Diff(later, exported(t, from, "later")); diff != "" {
		t.Error("later after the restore (-want +got):\n", diff)
	}
	stop()

	segments, err := filepath.Glob(filepath.Join(restored, "journal", "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for dir, name := range map[string]string{
		data: checkpointFile(t, filepath.Join(data, "checkpoints")), saved: checkpointFile(t, saved), restored: segments[0],
	} {
		flipBit(t, name, 10)
		out, _ := c.run(exitFailed, "", "doctor", "--json", "--data-dir", dir)
		var r doctor.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || r.Sound || len(r.Findings) == 0 || r.Findings[0].File != name || r.Findings[0].Offset > 10 {
			t.Errorf("a flipped bit in %s: %v %s", name, err, out)
		}
		c.says(name+" at byte ", exitFailed, "doctor", "--data-dir", dir)
	}
	c.says("nothing was restored", exitFailed, "restore", "--from", saved, "--data-dir", filepath.Join(root, "again"))
	c.says("cannot look", exitUsage, "doctor", "--data-dir", root)
	c.says("--data-dir is missing", exitUsage, "doctor")
}

// A stream that stops early, or brings other bytes, makes no backup.
func TestBackupsThatGoWrong(t *testing.T) {
	c := served(t)
	fill(t, c)
	client, err := engram.Dial(c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var parts []*engram.BackupPart
	for p, err := range client.Backup(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	v := &verb{out: io.Discard, errs: io.Discard}
	for name, change := range map[string]func([]*engram.BackupPart) []*engram.BackupPart{
		"":                 func(p []*engram.BackupPart) []*engram.BackupPart { return p },
		"nothing":          func(p []*engram.BackupPart) []*engram.BackupPart { return nil },
		"only a begin":     func(p []*engram.BackupPart) []*engram.BackupPart { return p[:1] },
		"no end":           func(p []*engram.BackupPart) []*engram.BackupPart { return p[:len(p)-1] },
		"no begin":         func(p []*engram.BackupPart) []*engram.BackupPart { return p[1:] },
		"a chunk too few":  func(p []*engram.BackupPart) []*engram.BackupPart { return append(p[:len(p)-2:len(p)-2], p[len(p)-1]) },
		"a chunk twice":    func(p []*engram.BackupPart) []*engram.BackupPart { return append(p[:2:2], p[1:]...) },
		"a changed bit":    func(p []*engram.BackupPart) []*engram.BackupPart { p[1].GetChunk().Data[500] ^= 1; return p },
		"a changed header": func(p []*engram.BackupPart) []*engram.BackupPart { p[0].GetBegin().Catalog[90] ^= 1; return p },
	} {
		dir := filepath.Join(t.TempDir(), "backup")
		_, err := backup(v, func(yield func(*engram.BackupPart, error) bool) {
			for _, p := range change(copied(t, parts)) {
				if !yield(p, nil) {
					return
				}
			}
		}, dir)
		if (err == nil) != (name == "") {
			t.Errorf("%s: %v", name, err)
		}
		r, err := doctor.Examine(vfs.OS(), dir)
		if whole := err == nil && r.Sound; whole != (name == "") {
			t.Errorf("%s: the directory is taken for a backup: %v %+v", name, err, r)
		}
	}
	if _, err := backup(v, func(yield func(*engram.BackupPart, error) bool) { yield(nil, io.ErrClosedPipe) }, t.TempDir()); err == nil || !strings.Contains(err.Error(), "closed pipe") {
		t.Error(err)
	}
}

// copied copies the parts, so that one can be changed.
func copied(t *testing.T, parts []*engram.BackupPart) (out []*engram.BackupPart) {
	t.Helper()
	for _, p := range parts {
		out = append(out, proto.CloneOf(p))
	}
	return out
}
