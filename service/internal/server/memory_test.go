package server

import (
	"math"
	"strings"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct{ wanted, there, want int64 }{
		{0, 0, 0}, {100, 0, 100}, {0, 400, 300}, {100, 400, 100}, {1000, 400, 300},
	} {
		if got := memoryLimit(c.wanted, c.there); got != c.want {
			t.Errorf("%d wanted of %d: %d, want %d", c.wanted, c.there, got, c.want)
		}
	}
}

func TestMachineMemoryIsRead(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24053456 kB\nMemFree: 1 kB\n": 24053456 << 10,
		"MemFree: 1 kB\n":        math.MaxInt64,
		"MemTotal: a lot kB\n":   math.MaxInt64,
		"MemTotal: -1 kB\nx y\n": math.MaxInt64,
		"":                       math.MaxInt64,
	} {
		if got := totalOf(strings.NewReader(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]int64{"max\n": math.MaxInt64, "1073741824\n": 1 << 30, "": math.MaxInt64, "0": math.MaxInt64} {
		if got := boundOf(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if n := machineMemory(); n < 0 || n == math.MaxInt64 {
		t.Errorf("the machine has %d", n)
	}
}
