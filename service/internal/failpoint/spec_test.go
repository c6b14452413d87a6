package failpoint_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/failpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseSpec(t *testing.T) {
	good := map[string]failpoint.Spec{
		"panic":                 {Action: failpoint.Panic},
		"panic(a@b)@3":          {Action: failpoint.Panic, Text: "a@b", When: failpoint.Nth, N: 3},
		"error(disk gone)":      {Action: failpoint.Error, Text: "disk gone"},
		"error@every:2":         {Action: failpoint.Error, When: failpoint.Every, N: 2},
		"delay(200ms)@times:10": {Action: failpoint.Delay, Delay: 200 * time.Millisecond, When: failpoint.Times, N: 10},
		" off ":                 {Action: failpoint.Off},
	}
	for text, want := range good {
		got, err := failpoint.ParseSpec(text)
		if err != nil {
			t.Errorf("ParseSpec(%q): %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseSpec(%q):\n%s", text, diff)
		}
	}
	for _, text := range []string{
		"", "explode", "panic@", "panic@0", "panic@-1", "panic@x", "panic@every:", "panic(", "panic)", "panic(a)b",
		"delay", "delay()", "delay(-1s)", "delay(2h)", "delay(soon)", "off(x)", "panic@1@2", "error(a(b)", "error(a;b)",
	} {
		_, err := failpoint.ParseSpec(text)
		var syntax *failpoint.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("ParseSpec(%q) = %v, want a *SyntaxError", text, err)
		}
	}
}

func TestParseConfig(t *testing.T) {
	got, err := failpoint.ParseConfig("worker.batch=panic@3; journal.sync=error@10;;embed.call=delay(200ms);")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]failpoint.Spec{
		failpoint.WorkerBatch: {Action: failpoint.Panic, When: failpoint.Nth, N: 3},
		failpoint.JournalSync: {Action: failpoint.Error, When: failpoint.Nth, N: 10},
		failpoint.EmbedCall:   {Action: failpoint.Delay, Delay: 200 * time.Millisecond},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	for _, text := range []string{"worker.bach=panic", "journal.sync", "=panic", "worker.item=panic;worker.item=off", "worker.item=oops"} {
		if _, err := failpoint.ParseConfig(text); err == nil {
			t.Errorf("ParseConfig(%q) was accepted", text)
		}
	}
}

func TestActs(t *testing.T) {
	tests := map[string][]uint64{ // the hits of 1..6 that act
		"error":         {1, 2, 3, 4, 5, 6},
		"error@3":       {3},
		"error@every:2": {2, 4, 6},
		"error@times:2": {1, 2},
	}
	for text, want := range tests {
		s, err := failpoint.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for hit := range uint64(6) {
			if s.Acts(hit + 1) {
				got = append(got, hit+1)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("worker.batch=panic@3;journal.sync=error@10;embed.call=delay(200ms)")
	f.Add("space.apply=error(a@b)@every:2; worker.item=off")
	f.Add("journal.write=delay(1h)@times:18446744073709551615")
	f.Fuzz(func(t *testing.T, text string) {
		specs, err := failpoint.ParseConfig(text)
		if err != nil {
			return
		}
		for name, spec := range specs {
			_ = spec.Acts(1) // must not divide by zero
			again, err := failpoint.ParseSpec(spec.String())
			if err != nil {
				t.Fatalf("%s=%q does not parse again: %v", name, spec, err)
			}
			if again != spec {
				t.Fatalf("%s: %+v became %+v", name, spec, again)
			}
		}
	})
}
