package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestContestants wants every contestant to keep what it is given: what is
// measured is then the same thing. reopen checks it.
func TestContestants(t *testing.T) {
	for _, c := range contestants {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := c.open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for w := range writers {
				if err := s.write(w, 0, pool(uint64(w))[:batch]); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			if _, err := reopen(c, dir, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := reopen(c, dir, 1); err == nil && c.name == "journal" {
				t.Fatal("a batch more than expected went unseen") // one that the first reopen wrote
			}
		})
	}
}

func TestPage(t *testing.T) {
	seen := map[string][]figures{}
	for i, c := range contestants {
		for round := range 3 {
			seen[c.name] = append(seen[c.name], figures{PerSecond: float64(1000/(i+1) + round), CPU: 2, Amplification: 1, Ready: 1, Read: 1})
		}
	}
	disk, err := plainFile(t.TempDir())
	if err != nil || disk.PerSecond <= 0 {
		t.Fatal(disk, err)
	}
	got := page(settings{dir: t.TempDir(), rounds: 3, records: 1}, contestants, seen, []figures{disk})
	for _, want := range []string{"| journal | 1001 (1000–1002) | 2.00 (2.00–2.00) |", "The fastest of the others is pebble: 2.00 times", "1024 records a measurement"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
}
