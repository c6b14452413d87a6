package telemetry

import (
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"
)

// ParseTraceParent reads a W3C trace context (traceparent, version 00 or one
// that begins like it, and tracestate) without allocating for the former. ok
// is false for anything the standard calls invalid; a bad tracestate is
// dropped alone. https://www.w3.org/TR/trace-context/
func ParseTraceParent(parent, state string) (sc trace.SpanContext, ok bool) {
	const length = 55 // 2-32-16-2 with three dashes
	if len(parent) < length || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' {
		return sc, false
	}
	var b [1]byte
	if !unhex(b[:], parent[:2]) || b[0] == 0xff || (b[0] == 0 && len(parent) != length) || (len(parent) > length && parent[length] != '-') {
		return sc, false
	}
	var cfg trace.SpanContextConfig
	if !unhex(cfg.TraceID[:], parent[3:35]) || !unhex(cfg.SpanID[:], parent[36:52]) || !unhex(b[:], parent[53:55]) {
		return sc, false
	}
	cfg.TraceFlags = trace.TraceFlags(b[0]) & trace.FlagsSampled
	cfg.Remote = true
	if state != "" {
		if ts, err := trace.ParseTraceState(state); err == nil {
			cfg.TraceState = ts
		}
	}
	sc = trace.NewSpanContext(cfg)
	return sc, sc.IsValid()
}

// unhex decodes lower-case hex only, as the standard asks.
func unhex(dst []byte, s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}
