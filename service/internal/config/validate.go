package config

import (
	"errors"
	"net"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// values lists what an enumerated field takes.
func (f *field) values() string { return strings.ReplaceAll(f.oneof, " ", ", ") }

// Validate checks every setting by itself and those that depend on each other.
// It reports all problems; each names the field, its value and the limit.
func (c Config) Validate() error {
	var problems []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			problems = append(problems, invalid(key, "%s is "+format, append([]any{key}, args...)...))
		}
	}
	for i := range fields {
		f := &fields[i]
		text := f.get(&c)
		if f.oneof != "" {
			check(slices.Contains(strings.Fields(f.oneof), text), f.key, "%q; it must be one of %s", text, f.values())
		}
		if low, high, ok := strings.Cut(f.limit, " "); ok {
			n := f.number(&c)
			check(n >= f.numberOf(low) && n <= f.numberOf(high), f.key, "%s; it must be in %s..%s", text, low, high)
		}
	}

	check(isAddress(c.Listen), "listen", "%q; it must be host:port", c.Listen)
	check(c.AdminListen == "" || isAddress(c.AdminListen), "admin_listen", "%q; it must be host:port or empty", c.AdminListen)
	check(c.AdminListen == "" || c.AdminListen != c.Listen || strings.HasSuffix(c.Listen, ":0"), "admin_listen",
		"%q, which is listen, too", c.AdminListen)
	check(c.DataDir != "", "data_dir", "empty")
	check(c.Worker.BatchMin <= c.Worker.BatchMax, "worker.batch_min", "%d, above worker.batch_max (%d)", c.Worker.BatchMin, c.Worker.BatchMax)
	check(c.Session.WindowBytes >= c.Limits.MaxObservationBytes, "session.window_bytes",
		"%s, below limits.max_observation_bytes (%s)", c.Session.WindowBytes, c.Limits.MaxObservationBytes)
	check(c.Queue.Bytes >= c.Session.WindowBytes, "queue.bytes", "%s, below session.window_bytes (%s)", c.Queue.Bytes, c.Session.WindowBytes)
	check(c.Limits.MaxContentBytes <= c.Limits.MaxObservationBytes, "limits.max_content_bytes",
		"%s, above limits.max_observation_bytes (%s)", c.Limits.MaxContentBytes, c.Limits.MaxObservationBytes)
	check(c.Limits.MaxMetadataBytes <= c.Limits.MaxObservationBytes, "limits.max_metadata_bytes",
		"%s, above limits.max_observation_bytes (%s)", c.Limits.MaxMetadataBytes, c.Limits.MaxObservationBytes)
	check(c.Limits.MaxObservationBytes <= c.Limits.MaxRequestBytes, "limits.max_observation_bytes",
		"%s, above limits.max_request_bytes (%s)", c.Limits.MaxObservationBytes, c.Limits.MaxRequestBytes)
	check(c.Journal.SegmentBytes >= c.Limits.MaxObservationBytes, "journal.segment_bytes",
		"%s, below limits.max_observation_bytes (%s)", c.Journal.SegmentBytes, c.Limits.MaxObservationBytes)
	check(c.Journal.RefuseFree <= c.Journal.WarnFree, "journal.refuse_free",
		"%v; it must not be above journal.warn_free (%v)", c.Journal.RefuseFree, c.Journal.WarnFree)
	for _, origin := range c.CORS.AllowedOrigins {
		check(isOrigin(origin), "cors.allowed_origins", "%q in one element; it must be like https://app.example.com, or *", origin)
	}
	c.Embed.check(c.Limits.MaxDimension, check)
	return errors.Join(problems...)
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// check shows neither the address nor the name of the key's variable: people
// put keys into both.
func (e Embed) check(maxDimension int, check func(ok bool, key, format string, args ...any)) {
	check(e.Dimension <= maxDimension, "embed.dimension", "%d, above limits.max_dimension (%d)", e.Dimension, maxDimension)
	switch e.Kind {
	case "hashing":
		check(e.Dimension >= 64 && e.Dimension <= 4096, "embed.dimension", "%d; for embed.kind hashing it must be in 64..4096", e.Dimension)
	case "openai":
		u, err := url.Parse(e.OpenAI.BaseURL)
		ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
		check(ok, "embed.openai.base_url", "not an http(s) address without user, query and fragment")
		check(e.OpenAI.Model != "", "embed.openai.model", "empty")
		check(e.OpenAI.APIKeyEnv == "" || envName.MatchString(e.OpenAI.APIKeyEnv), "embed.openai.api_key_env",
			"not the name of a variable (the key itself does not belong here)")
	}
}

// Workers is the number of workers: Worker.Count, or one per processor.
func (w Worker) Workers() int {
	if w.Count > 0 {
		return w.Count
	}
	return runtime.GOMAXPROCS(0)
}

// number gives a numeric field for comparing.
func (f *field) number(c *Config) float64 { return f.numberOf(f.get(c)) }

func (f *field) numberOf(text string) float64 {
	switch f.typ {
	case sizeType:
		s, err := ParseSize(text)
		if err != nil {
			return -1 // a negative size, which only code can set
		}
		return float64(s)
	case timeType:
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err) // the text is from time.Duration or from a tag
		}
		return float64(d)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err) // the text is from a number or from a tag
	}
	return n
}

func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func isOrigin(s string) bool {
	if s == "*" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Path == "" && u.User == nil && u.RawQuery == ""
}
