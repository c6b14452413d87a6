package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// page is the report, in Markdown.
func page(s settings, chosen []contestant, seen map[string][]figures, disk []figures) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Journal and peers, %s", time.Now().Format(time.DateOnly))
	line("")
	line("Command: `make bench-journal`. One machine: %d cores (%s), %s, %s.", runtime.NumCPU(), cpuModel(), runtime.Version(), fileSystem(s.dir))
	line("")
	line("%d writers at a time, each writing batches of %d records of %d bytes that do not compress; a batch is on stable storage before its writer goes on. "+
		"%d records a measurement, each a process of its own; %d rounds in which the contestants took turns: median (least–greatest).",
		writers, batch, recordBytes, batches(s.records)*writers*batch, s.rounds)
	line("")
	line("| | records/s | CPU, µs/record | write amplification | takes writes again, s | reads all, s |")
	line("|---|---|---|---|---|---|")
	for _, c := range chosen {
		f := seen[c.name]
		line("| %s | %s | %s | %s | %s | %s |", c.name,
			spread(f, "%.0f", func(f figures) float64 { return f.PerSecond }),
			spread(f, "%.2f", func(f figures) float64 { return f.CPU }),
			spread(f, "%.3f", func(f figures) float64 { return f.Amplification }),
			spread(f, "%.2f", func(f figures) float64 { return f.Ready }),
			spread(f, "%.2f", func(f figures) float64 { return f.Read }))
	}
	line("\nThe disk itself, in turn with them: %s records/s, written by one goroutine into a plain file with its room reserved, %d at a time and then a sync.",
		spread(disk, "%.0f", func(f figures) float64 { return f.PerSecond }), writers*batch)
	if own, found := seen[contestants[0].name]; found && len(chosen) > 1 {
		line("\n%s against each of the others, of the medians; above 1 it does better:\n", contestants[0].name)
		line("| | records/s | CPU | write amplification | takes writes again | reads all |")
		line("|---|---|---|---|---|---|")
		best, bestName := 0.0, ""
		for _, c := range chosen {
			if c.name == contestants[0].name {
				continue
			}
			f := seen[c.name]
			ratio := func(of func(figures) float64) float64 { return median(f, of) / median(own, of) }
			line("| %s | %.1f× | %.1f× | %.2f× | %.1f× | %.1f× |", c.name,
				1/ratio(func(f figures) float64 { return f.PerSecond }), ratio(func(f figures) float64 { return f.CPU }),
				ratio(func(f figures) float64 { return f.Amplification }), ratio(func(f figures) float64 { return f.Ready }),
				ratio(func(f figures) float64 { return f.Read }))
			if p := median(f, func(f figures) float64 { return f.PerSecond }); p > best {
				best, bestName = p, c.name
			}
		}
		line("\nThe fastest of the others is %s: %.2f times its records/s.", bestName, median(own, func(f figures) float64 { return f.PerSecond })/best)
	}
	line("\n## What was measured\n")
	for _, c := range chosen {
		line("- %s: %s", c.name, c.what)
	}
	line("\nVersions: %s.", strings.Join(versions(), ", "))
	line("\nCPU is user and system time of the process (getrusage) while it wrote. Write amplification is `write_bytes` of `/proc/self/io` " +
		"over the bytes of the records up to the last answer; what a store still has to compact then is not counted, nor is what the file system writes for itself. " +
		"The writing process ends without closing the store; another one opens it, writes one batch (“takes writes again”) and then reads every record (“reads all”), from the page cache as far as it is there.")
	return b.String()
}

func values(f []figures, of func(figures) float64) []float64 {
	v := make([]float64, len(f))
	for i := range f {
		v[i] = of(f[i])
	}
	slices.Sort(v)
	return v
}

func median(f []figures, of func(figures) float64) float64 {
	v := values(f, of)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

func spread(f []figures, format string, of func(figures) float64) string {
	v := values(f, of)
	return fmt.Sprintf(format+" ("+format+"–"+format+")", median(f, of), v[0], v[len(v)-1])
}

func versions() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var list []string
	for _, m := range info.Deps {
		for _, peer := range []string{"cockroachdb/pebble", "etcd.io/bbolt", "dgraph-io/badger"} {
			if strings.Contains(m.Path, peer) {
				list = append(list, m.Path+" "+m.Version)
			}
		}
	}
	return list
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for l := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(l, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

// fileSystem names the kind of file system of a folder.
func fileSystem(dir string) string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return "a file system of unknown kind"
	}
	switch st.Type {
	case 0xef53:
		return "ext4"
	case 0x58465342:
		return "XFS"
	case 0x9123683e:
		return "Btrfs"
	case 0x01021994:
		return "tmpfs (a sync costs nothing there: the figures mean little)"
	}
	return fmt.Sprintf("a file system of type %#x", st.Type)
}
