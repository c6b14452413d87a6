package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// page is the report, in Markdown.
func (r *results) page(s settings) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Vector engine and peers, %s\n", time.Now().Format(time.DateOnly))
	command := "make bench-peers"
	if s.quick {
		command = "QUICK=1 " + command
	}
	line("Command: `%s`. One machine: %d cores (%s), %s.\n", command, runtime.NumCPU(), cpuModel(), runtime.Version())
	line("M = %d, efConstruction = %d, recall@%d. “/s/core” is per second of processor time (getrusage, user and system) of a process with one thread. "+
		"Queries/s are those between the two search widths around a recall; “has” gives the recall of the narrowest one, %d, where that is more already. "+
		"Contestants took turns; where there was more than one round: median (least–greatest).",
		edges, efConstruction, nearest, widths[0])
	for _, d := range r.sets {
		if len(r.seen[d]) > 0 {
			r.tables(line, d)
		}
	}
	line("\n## What was measured\n")
	for _, c := range r.contestants {
		line("- %s: %s.", c.name, c.what)
	}
	if len(r.versions) > 0 {
		line("\nVersions: %s.", strings.Join(r.versions, ", "))
	}
	line("\nBytes a row are the growth of the process's own memory (resident, files not counted), full vectors included, while the rows were inserted. "+
		"While inserting: one thread inserts as fast as it can, another one asks one question at a time, at most one each %v, with the narrowest width measured that has recall .95; on at most %d seconds' worth of further rows. "+
		"hnswlib's documentation does not allow recalls beside inserts; “no lock” does it all the same. A p99 of fewer than %d recalls is not given.",
		pause, ingestSeconds, fewest)
	for _, x := range r.skipped {
		line("\nLeft out: %s.", x)
	}
	return b.String()
}

// tables are those of one data set.
func (r *results) tables(line func(string, ...any), d *dataset) {
	seen := r.seen[d]
	n := 0
	for _, x := range seen {
		n = max(n, len(x))
	}
	line("\n## %s\n\n%s. %d rows, %d queries, %d round%s.\n", d.name, strings.ToUpper(d.what[:1])+d.what[1:], d.rows, d.queries, n, map[bool]string{true: "", false: "s"}[n == 1])
	line("| | inserts/s/core | queries/s/core at .95 | at .99 | ef at .95, .99 | bytes/row |")
	line("|---|---|---|---|---|---|")
	for _, c := range r.contestants {
		if f := seen[c.name]; len(f) > 0 {
			line("| %s | %s | %s | %s | %s, %s | %s |", c.name, f.spread("%.0f", inserts), f.queries(.95), f.queries(.99),
				f.ef(.95), f.ef(.99), f.spread("%.0f", bytes))
		}
	}
	if d.extra > 0 {
		line("\n| while inserting | inserts/s | recall p50, ms | p99, ms | recalls | |")
		line("|---|---|---|---|---|---|")
		for _, c := range r.contestants {
			f := seen[c.name]
			if len(f) == 0 {
				continue
			}
			for i, x := range f[0].Ingest {
				line("| %s | %s | %s | %s | %s | %s |", c.name,
					f.spread("%.0f", beside(i, func(x ingest) float64 { return x.Rate })),
					f.spread("%.2f", beside(i, func(x ingest) float64 { return x.P50 })),
					f.spread("%.2f", p99(i)),
					f.spread("%.0f", beside(i, func(x ingest) float64 { return float64(x.Recalls) })), x.How)
			}
		}
	}
	r.ratios(line, d)
}

// ratios compare ours with each of the others, of the medians.
func (r *results) ratios(line func(string, ...any), d *dataset) {
	seen := r.seen[d]
	ours, measured := seen[own]
	if !measured || len(seen) < 2 {
		return
	}
	rate := beside(0, func(x ingest) float64 { return x.Rate })
	line("\n| %s against | inserts | queries at .95 | at .99 | inserts beside recalls | recall p99 beside inserts | bytes |", own)
	line("|---|---|---|---|---|---|---|")
	for _, c := range r.contestants {
		f := seen[c.name]
		if c.name == own || len(f) == 0 {
			continue
		}
		more := func(of func(*figures) (float64, bool)) string { return ratio(ours.median(of), f.median(of)) }
		less := func(of func(*figures) (float64, bool)) string { return ratio(f.median(of), ours.median(of)) }
		late := ratio(f.median(p99(0)), ours.median(p99(0)))
		if f.median(p99(1)) > 0 { // the second way, without a lock
			late += " / " + ratio(f.median(p99(1)), ours.median(p99(0)))
		}
		line("| %s | %s | %s | %s | %s | %s | %s |", c.name, more(inserts), more(qps(.95)), more(qps(.99)), more(rate), late, less(bytes))
	}
	line("\nAbove 1 it does better. Of hnswlib's two ways of inserting beside recalls the first one counts for the rate, and both are given for p99.")
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", a/b)
}

// spread is the median with the least and the greatest.
func (r rounds) spread(format string, of func(*figures) (float64, bool)) string {
	v := r.each(of)
	switch len(v) {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf(format, v[0])
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", r.median(of), v[0], v[len(v)-1])
}

// queries is the spread at a recall, with a mark if the narrowest width has more.
func (r rounds) queries(recall float64) string {
	text := r.spread("%.0f", qps(recall))
	_, narrowest, _ := r[0].at(recall)
	switch {
	case text == "–":
		last := r[0].Points[len(r[0].Points)-1]
		return fmt.Sprintf("– (%.3f at ef %d)", last.Recall, last.Ef)
	case narrowest > 0:
		return fmt.Sprintf("%s; has %.3f", text, narrowest)
	}
	return text
}

func (r rounds) ef(recall float64) string {
	if ef := r[0].ef(recall); ef != 0 {
		return fmt.Sprint(ef)
	}
	return "–"
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
