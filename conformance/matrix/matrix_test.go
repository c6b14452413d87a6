package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds a cell: a hang becomes a failure.
const patience = 30 * time.Second

// scenario is a script as it is written down.
type scenario struct {
	Name   string
	About  string
	Server *struct{ Flags []string }
	Steps  []map[string]any
	Truth  []map[string]any // what the server itself has to hold then
}

// TestMatrix runs every script through every SDK, and compares what they say.
func TestMatrix(t *testing.T) {
	c := newControl(t)
	origin := []string{"--cors-allowed-origins", c.URL}
	shared := startServer(t, origin...)
	all := drivers(t, c)
	files, err := filepath.Glob("scripts/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scripts: %v", err)
	}
	table := newTable(all)
	defer table.write(t)
	for _, file := range files {
		s := read(t, file)
		t.Run(s.Name, func(t *testing.T) {
			said := make([]result, len(all))
			failed := make([]error, len(all))
			var running sync.WaitGroup
			for i, d := range all {
				if d.missing != "" || s.lacking(d) != "" {
					continue
				}
				at := shared
				if s.Server != nil {
					at = startServer(t, append(slices.Clone(s.Server.Flags), origin...)...)
				}
				running.Go(func() { said[i], failed[i] = c.play(t.Context(), s, d, at) })
			}
			running.Wait()
			judge(t, s, all, said, failed, table)
		})
	}
}

// judge holds what each SDK said to the script and to what the first one said.
func judge(t *testing.T, s scenario, all []driver, said []result, failed []error, table *table) {
	first := -1
	for i, d := range all {
		ok := t.Run(d.name, func(t *testing.T) {
			if d.missing != "" {
				table.set(s.Name, d.name, "-")
				t.Skip(d.missing)
			}
			if op := s.lacking(d); op != "" {
				table.set(s.Name, d.name, "n/a")
				t.Skip(op + ": " + d.lacks[op])
			}
			if failed[i] != nil {
				t.Fatal(failed[i])
			}
			for n, step := range s.Steps {
				where := fmt.Sprintf("step %d (%v)", n, step["op"])
				if op, is := said[i].Steps[n]["unsupported"]; is {
					t.Fatalf("%s: %v is not supported", where, op)
				}
				for _, x := range differences(where, step["expect"], said[i].Steps[n]) {
					t.Errorf("%s", x)
				}
				if first >= 0 {
					for _, x := range disagreements(where, step["expect"], said[i].Steps[n], said[first].Steps[n]) {
						t.Errorf("not as %s: %s", all[first].name, x)
					}
				}
			}
			for n, want := range s.Truth {
				for _, x := range differences(fmt.Sprintf("what the server holds in %v", want["space"]), want, said[i].Truth[n]) {
					t.Error(x)
				}
			}
			if first < 0 {
				first = i
			}
		})
		if table.get(s.Name, d.name) == "" {
			table.set(s.Name, d.name, map[bool]string{true: "pass", false: "FAIL"}[ok])
		}
	}
}

// play runs a script in an SDK, behind a proxy of its own.
func (c *control) play(ctx context.Context, s scenario, d driver, at *server) (result, error) {
	p, err := newProxy(at.addr)
	if err != nil {
		return result{}, err
	}
	defer p.close()
	c.mu.Lock()
	n := len(c.cells) + 1
	c.cells[n] = &cell{p, at}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	prefix := fmt.Sprintf("m%d-", n)
	steps := make([]map[string]any, len(s.Steps))
	for i, step := range s.Steps {
		steps[i] = placed(step, prefix)
	}
	script, err := json.Marshal(map[string]any{
		"name": s.Name, "address": p.listener.Addr().String(), "control": fmt.Sprintf("%s/cell/%d", c.URL, n), "steps": steps,
	})
	if err != nil {
		return result{}, err
	}
	printed, err := d.run(ctx, script)
	if err != nil {
		return result{}, err
	}
	r, err := parse(printed, len(steps))
	for _, want := range s.Truth {
		if err == nil {
			var holds map[string]any
			holds, err = at.holds(ctx, prefix, want["space"].(string))
			r.Truth = append(r.Truth, holds)
		}
	}
	return r, err
}

// lacking is an operation of the script that an SDK's language does not have.
func (s scenario) lacking(d driver) string {
	for _, step := range s.Steps {
		if op, _ := step["op"].(string); d.lacks[op] != "" {
			return op
		}
	}
	return ""
}

// placed is a step as a driver sees it: without what is expected, in the cell's
// own spaces. A name that no server takes stays as it is.
func placed(step map[string]any, prefix string) map[string]any {
	out := maps.Clone(step)
	delete(out, "expect")
	if space, ok := out["space"].(string); ok && !strings.Contains(space, " ") {
		out["space"] = prefix + space
	}
	if inner, ok := out["step"].(map[string]any); ok {
		out["step"] = placed(inner, prefix)
	}
	return out
}

func read(t *testing.T, file string) (s scenario) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}

// table is what the run printed at its end: a row for a script, a column for an SDK.
type table struct {
	columns []string
	rows    []string
	cells   map[[2]string]string
}

func newTable(all []driver) *table {
	x := &table{cells: map[[2]string]string{}}
	for _, d := range all {
		x.columns = append(x.columns, d.name)
	}
	return x
}

func (x *table) get(row, column string) string { return x.cells[[2]string{row, column}] }

func (x *table) set(row, column, said string) {
	if !slices.Contains(x.rows, row) {
		x.rows = append(x.rows, row)
	}
	x.cells[[2]string{row, column}] = said
}

func (x *table) write(t *testing.T) {
	var b strings.Builder
	counts := map[string]int{}
	fmt.Fprintf(&b, "| scenario | %s |\n|---|%s\n", strings.Join(x.columns, " | "), strings.Repeat("---|", len(x.columns)))
	for _, row := range x.rows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, column := range x.columns {
			said := x.get(row, column)
			counts[said]++
			fmt.Fprintf(&b, " %s |", said)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n%d passed, %d failed, %d not there\n", counts["pass"], counts["FAIL"], counts["-"]+counts["n/a"])
	t.Logf("\n%s", b.String())
	dir := filepath.Join(root(t), ".cache")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "matrix.md"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
