package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the reference instead of comparing")

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engram.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parsed(t testing.TB, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	fs.Bool("json", false, "a flag that is no setting")
	BindFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestDefaultIsValidAndComplete(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	got, origins, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Error(diff)
	}
	if len(origins) != len(fields) {
		t.Errorf("%d origins of %d settings", len(origins), len(fields))
	}
	flags, envs := map[string]string{}, map[string]string{}
	for _, f := range fields {
		if f.doc == "" || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s is not documented by a sentence", f.key)
		}
		if other := flags[f.flag()]; other != "" {
			t.Errorf("%s and %s share a flag", other, f.key)
		}
		if other := envs[f.env()]; other != "" {
			t.Errorf("%s and %s share a variable", other, f.key)
		}
		flags[f.flag()], envs[f.env()] = f.key, f.key
	}
	for name, changes := range profiles {
		for key := range changes {
			if byKey[key] == nil {
				t.Errorf("profile %s sets %s, which is no setting", name, key)
			}
		}
		if _, _, err := Load(Sources{Env: []string{"ENGRAM_PROFILE=" + name}}); err != nil {
			t.Errorf("profile %s: %v", name, err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, `
profile: small
queue: {high: 11, normal: 12, low: 13}
log:
worker:
  count: 3
cors: {allowed_origins: [https://a.example, https://b.example]}
journal: {warn_free: 2GiB, refuse_free: 1GiB}
`)
	c, origins, err := Load(Sources{
		File:  file,
		Env:   []string{"PATH=/bin", "ENGRAM_QUEUE_NORMAL=22", "ENGRAM_QUEUE_LOW=23", "ENGRAM_CONFIG=x", "ENGRAM_SESSION_IDLE_TIMEOUT=5m", "ENGRAM_MINE=1"},
		Flags: parsed(t, "--queue-low=33", "--limits-max-request-bytes", "32MiB", "--json"), Reserved: []string{"ENGRAM_MINE"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Profile = "small"
	want.Queue = Queue{High: 11, Normal: 22, Low: 33, Bytes: 64 * MiB}
	want.Worker.Count, want.Worker.BatchMax = 3, 200
	want.Session.MaxSessions, want.Session.Window, want.Session.WindowBytes = 10_000, 1024, 4*MiB
	want.Session.IdleTimeout = 5 * time.Minute
	want.Limits.MaxSpaces, want.Limits.MaxRequestBytes, want.Limits.Memory = 1_000, 32*MiB, GiB
	want.Journal = Journal{SegmentBytes: 16 * MiB, WarnFree: 2 * GiB, RefuseFree: GiB}
	want.CORS.AllowedOrigins = []string{"https://a.example", "https://b.example"}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	source := map[string]string{}
	for _, o := range origins {
		source[o.Key] = o.Source
	}
	for key, want := range map[string]string{
		"queue.high": "file " + file, "queue.normal": "env ENGRAM_QUEUE_NORMAL", "queue.low": "flag --queue-low",
		"queue.bytes": "profile small", "listen": "default", "profile": "file " + file,
	} {
		if source[key] != want {
			t.Errorf("%s is from %q, want %q", key, source[key], want)
		}
	}
	var table bytes.Buffer
	if err := PrintOrigins(&table, origins); err != nil || !strings.Contains(table.String(), "flag --queue-low") {
		t.Errorf("%v in %s", err, &table)
	}
}

func TestListFlags(t *testing.T) {
	c, _, err := Load(Sources{Flags: parsed(t, "--cors-allowed-origins=http://a,http://b", "--cors-allowed-origins=http://c")})
	if err != nil || len(c.CORS.AllowedOrigins) != 3 {
		t.Errorf("%v, %v", c.CORS.AllowedOrigins, err)
	}
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	BindFlags(fs)
	if err := fs.Parse([]string{"--queue-high=many"}); err == nil || !strings.Contains(err.Error(), "not a whole number") {
		t.Errorf("a flag of the wrong form gives %v", err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, file string
		env        []string
		key, says  string
	}{
		{"misspelt key", "queue: {hihg: 5}", nil, "queue.hihg", `did you mean queue.high?`},
		{"wrong section", "idle_timeout: 5s", nil, "idle_timeout", "did you mean session.idle_timeout?"},
		{"nothing near", "zzzzzz: 1", nil, "zzzzzz", `"zzzzzz" is not a setting`},
		{"misspelt variable", "", []string{"ENGRAM_QUEUE_HIHG=5"}, "ENGRAM_QUEUE_HIHG", "did you mean ENGRAM_QUEUE_HIGH?"},
		{"section as value", "queue: 5", nil, "queue", "queue is a section"},
		{"value as section", "listen: {a: b}", nil, "listen", "it takes a string"},
		{"no value", "listen:", nil, "listen", "it is empty"},
		{"no YAML", "a: [", nil, "file", "not valid YAML"},
		{"no size", "queue: {bytes: lots}", nil, "queue.bytes", "not a size"},
		{"no duration", "drain: {timeout: 30}", nil, "drain.timeout", "not a duration"},
		{"no number", "", []string{"ENGRAM_WORKER_COUNT=two"}, "worker.count", "from env ENGRAM_WORKER_COUNT"},
		{"no bool", "", []string{"ENGRAM_TELEMETRY_METRICS=maybe"}, "telemetry.metrics", "neither true nor false"},
		{"out of range", "worker: {count: 5000}", nil, "worker.count", "worker.count is 5000; it must be in 0..1024"},
		{"size out of range", "queue: {bytes: 2TiB}", nil, "queue.bytes", "queue.bytes is 2TiB; it must be in 1MiB..1TiB"},
		{"unknown level", "log: {level: loud}", nil, "log.level", "debug, info, warn, error"},
		{"unknown profile", "profile: huge", nil, "profile", "default, small"},
		{"address", "listen: localhost", nil, "listen", "host:port"},
		{"port", "listen: localhost:99999", nil, "listen", "host:port"},
		{"batch order", "worker: {batch_min: 600}", nil, "worker.batch_min", "above worker.batch_max (500)"},
		{"observation above request", "limits: {max_request_bytes: 512KiB}", nil, "limits.max_observation_bytes", "above limits.max_request_bytes (512KiB)"},
		{"watermarks", "journal: {refuse_free: 1GiB}", nil, "journal.refuse_free", "above journal.warn_free (512MiB)"},
		{"origin", "cors: {allowed_origins: [example.com]}", nil, "cors.allowed_origins", "https://app.example.com"},
		{"dimension", "embed: {dimension: 0}", nil, "embed.dimension", "64..4096"},
		{"key in address", "embed: {kind: openai, openai: {base_url: 'https://u:sk-secret@h'}}", nil, "embed.openai.base_url", "without user"},
		{"key as name", "embed: {kind: openai, openai: {api_key_env: sk-secret}}", nil, "embed.openai.api_key_env", "not the name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Load(Sources{File: write(t, c.file), Env: c.env})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "sk-secret") {
				t.Fatalf("error %v, want one that says %q", err, c.says)
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.InvalidArgument || f.Field != c.key {
				t.Errorf("fault %+v, want one of field %s", f, c.key)
			}
		})
	}
	if _, _, err := Load(Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil {
		t.Error("a missing file is accepted")
	}
	_, _, err := Load(Sources{File: write(t, "listen: x\nqueue: {high: 0, nope: 1}")})
	for _, s := range []string{"listen is", "queue.high is 0", "queue.nope"} {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("not all problems are told: %v", err)
		}
	}
}

func TestKeyVariableMayHaveThePrefix(t *testing.T) {
	env := []string{"ENGRAM_EMBED_OPENAI_API_KEY_ENV=ENGRAM_OPENAI_KEY", "ENGRAM_OPENAI_KEY=sk-secret"}
	c, _, err := Load(Sources{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.Embed.OpenAI.ReadKey(func(name string) string { return map[string]string{"ENGRAM_OPENAI_KEY": "sk-secret\n"}[name] })
	if key != "sk-secret" || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	c.Embed.OpenAI.APIKeyFile = write(t, "sk-from-file\n")
	if key, err := c.Embed.OpenAI.ReadKey(nil); key != "sk-from-file" || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	c.Embed.OpenAI.APIKeyFile = write(t, "")
	if _, err := c.Embed.OpenAI.ReadKey(nil); err == nil {
		t.Error("an empty key file is accepted")
	}
}

// TestPrintReadsBack: what Print writes, Load reads to the same.
func TestPrintReadsBack(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		text := rapid.StringMatching(`[a-zA-Z0-9 _./:#'"\\{}é-]{1,20}`)
		c.ListenFile = strings.TrimSpace(text.Draw(t, "listen_file"))
		c.DataDir = "d" + strings.TrimSpace(text.Draw(t, "data_dir"))
		c.Queue.High = rapid.IntRange(1, 1e8).Draw(t, "high")
		c.Queue.Bytes = 16*MiB + Size(rapid.Int64Range(0, int64(GiB)).Draw(t, "bytes"))
		c.Drain.Timeout = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "timeout"))
		c.Journal.RefuseFree = Size(rapid.Int64Range(0, int64(c.Journal.WarnFree)).Draw(t, "refuse"))
		c.CORS.AllowedOrigins = append([]string{}, []string{"*", "https://a.example"}[:rapid.IntRange(0, 2).Draw(t, "origins")]...)
		var out bytes.Buffer
		if err := Print(&out, c, "yaml"); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "printed.yaml")
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := Load(Sources{File: path})
		if err != nil {
			t.Fatalf("%v in\n%s", err, &out)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPrintForms(t *testing.T) {
	c := Default()
	c.Embed.OpenAI.BaseURL = "https://me:sk-secret@host"
	for _, format := range []string{"yaml", "json"} {
		var out bytes.Buffer
		if err := Print(&out, c, format); err != nil || strings.Contains(out.String(), "sk-secret") || !strings.Contains(out.String(), "64MiB") {
			t.Errorf("%s: %v\n%s", format, err, &out)
		}
	}
	if err := Print(&bytes.Buffer{}, c, "xml"); err == nil {
		t.Error("an unknown format is accepted")
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"64MiB": 64 * MiB, "64mib": 64 * MiB, " 1.5 GiB ": GiB + GiB/2, "1GB": 1e9, "512": 512, "512B": 512, "0": 0, "1TiB": TiB, "2kb": 2000,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1e30", "9999999999TiB", "nan", "inf", "1 2", "5 apples"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := ParseSize(s.String()); got != s || err != nil {
			t.Fatalf("ParseSize(%q) = %d, %v; want %d", s, got, err, s)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add("queue: {high: 5}\nlisten: 127.0.0.1:0\n")
	f.Add("profile: [small]\nqueue: {bytes: .inf}\n")
	f.Add("cors: {allowed_origins: [1, {}]}\nembed: {openai: []}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := Load(Sources{File: write(t, text)})
		if err == nil && c.Validate() != nil {
			t.Fatal("Load lets an invalid configuration pass")
		}
	})
}

func TestReference(t *testing.T) {
	const path = "../../../docs/reference/config.md"
	var want bytes.Buffer
	if err := Reference(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/reference/config.md is out of date: run go generate ./service/internal/config")
	}
}
