package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The shape of the graphs, and what a measurement does; the same for all.
const (
	edges          = 16 // M
	efConstruction = 100
	pointSeconds   = 0.2 // of processor time, at least, a search width
	ingestSeconds  = 20  // at most, of inserting beside recalls
	pause          = 2 * time.Millisecond
)

// widths are the search widths (ef), as many as are needed for recall .995.
var widths = []int{10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024}

// task is one measurement, as the arguments of the process that makes it.
type task struct {
	contestant                    string
	files                         files
	metric                        string
	dim, rows, extra, queries     int
	insertProfile, queriesProfile string // of the own contestant; empty: none
	piece                         int
}

func (t *task) arguments() []string {
	list := make([]string, len(widths))
	for i, w := range widths {
		list[i] = strconv.Itoa(w)
	}
	return []string{
		"contestant=" + t.contestant, "base=" + t.files.base, "query=" + t.files.query, "truth=" + t.files.truth,
		"metric=" + t.metric, fmt.Sprintf("dim=%d", t.dim), fmt.Sprintf("rows=%d", t.rows), fmt.Sprintf("extra=%d", t.extra),
		fmt.Sprintf("queries=%d", t.queries), fmt.Sprintf("k=%d", nearest), fmt.Sprintf("m=%d", edges), fmt.Sprintf("efc=%d", efConstruction),
		"efs=" + strings.Join(list, ","), fmt.Sprintf("point_seconds=%g", pointSeconds), fmt.Sprintf("ingest_seconds=%d", ingestSeconds),
		fmt.Sprintf("pause_us=%d", pause.Microseconds()), fmt.Sprintf("piece=%d", t.piece),
		"insert_profile=" + t.insertProfile, "queries_profile=" + t.queriesProfile,
	}
}

// parseTask reads what arguments wrote, as far as it differs from task to task.
func parseTask(args []string) (*task, error) {
	t := &task{}
	text := map[string]*string{
		"contestant": &t.contestant, "base": &t.files.base, "query": &t.files.query, "truth": &t.files.truth,
		"metric": &t.metric, "insert_profile": &t.insertProfile, "queries_profile": &t.queriesProfile,
	}
	numbers := map[string]*int{"dim": &t.dim, "rows": &t.rows, "extra": &t.extra, "queries": &t.queries, "piece": &t.piece}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		if to := text[name]; to != nil {
			*to = value
		}
		if to := numbers[name]; to != nil {
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("argument %s: %w", name, err)
			}
			*to = n
		}
	}
	if t.dim < 1 || t.rows < 1 || t.queries < 1 || t.piece < 1 {
		return nil, fmt.Errorf("arguments lack a size: %v", args)
	}
	return t, nil
}

// measure runs one contestant's process and reads what it prints.
func measure(ctx context.Context, command []string, t *task) (figures, error) {
	var f figures
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], t.arguments()...)...) //nolint:gosec // a contestant
	// One thread, whatever a library would like.
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return f, errors.New("the time of the run was over")
	}
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(out, &f)
}
