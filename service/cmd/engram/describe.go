package main

import (
	"fmt"
	"strings"

	engram "github.com/engram-stream/engram/sdk/go"
)

// describe gives what a space says of itself beside the line that lists it, a line
// each. What a server that is older does not say is left out.
func describe(s engram.Space) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	x := s.Index
	switch {
	case s.Asleep:
		say("asleep    its rows are on disk alone until something asks for them")
	case x.CodesWithheld:
		say("scanned   by the vectors: memory is short, so codes are withheld and recalls are slower")
	case x.ScannedBy == engram.ScanCodesNone:
		say("scanned   by the vectors")
	case x.ScannedBy != engram.ScanCodesUnknown:
		say("scanned   by %s codes: they found %.4f of the ten nearest when %d rows were there, with %d compared by their vectors",
			x.ScannedBy, x.CodeRecall, x.CodeTrialRows, x.CodeCandidates)
	}
	if x.Policy != engram.IndexPolicyUnknown {
		say("indexed   %s", indexing(s))
	}
	if n := s.ResidentRows + s.MappedRows; n > 0 {
		say("rows      %d with vectors in memory, %d with vectors in files; %d of all are dead", s.ResidentRows, s.MappedRows, s.DeadRows)
	} else if s.DeadRows > 0 {
		say("rows      %d are dead", s.DeadRows)
	}
	if m := s.Memory; m.Used > 0 {
		say("memory    %s%s: rows %s, ids %s, codes %s, graph %s, filters %s, other %s", size(m.Used), bound(m.Used, m.Limit),
			size(m.Rows), size(m.IDs), size(m.Codes), size(m.Graph), size(m.Filters), size(m.Rest))
	}
	return lines
}

// remarks are what is out of the ordinary with a space, for the end of a line.
func remarks(s engram.Space) string {
	var out strings.Builder
	if s.Asleep {
		out.WriteString(", asleep")
	}
	if s.Index.CodesWithheld {
		out.WriteString(", MEMORY IS SHORT")
	}
	if p := s.Index.Policy; p > engram.IndexFull {
		out.WriteString(", INDEXING " + strings.ToUpper(p.String()))
	}
	return out.String()
}

// indexing says what becomes of rows that wait for the graph.
func indexing(s engram.Space) string {
	how := map[engram.IndexPolicy]string{
		engram.IndexFull: "as configured", engram.IndexNarrow: "with a narrower search, to catch up",
		engram.IndexPaused: "not for now, what comes in needs the processors",
	}[s.Index.Policy]
	rows := s.ResidentRows + s.MappedRows
	switch {
	case how == "":
		how = "by " + s.Index.Policy.String()
	case s.Index.Policy == engram.IndexFull && s.Unindexed == rows && rows < s.IndexThreshold && !s.Asleep:
		return fmt.Sprintf("not at all: a graph is built from %d rows on", s.IndexThreshold)
	}
	if s.Unindexed > 0 {
		how += fmt.Sprintf(": %d rows wait, and are scanned meanwhile", s.Unindexed)
	}
	return how
}

// bound is a limit and the share of it that is taken; nothing if there is none.
func bound(used, limit uint64) string {
	if limit == 0 {
		return ""
	}
	return fmt.Sprintf(" of %s (%.0f %%)", size(limit), 100*float64(used)/float64(limit))
}

// size is a number of bytes as people read it.
func size(n uint64) string {
	for _, unit := range []struct {
		bytes float64
		name  string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if float64(n) >= unit.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// level is a level where it is worth a word.
func level(what string, l engram.ResourceLevel) string {
	switch l {
	case engram.ResourceLevelUnknown, engram.ResourceLevelOK:
		return ""
	case engram.ResourceLevelWarning:
		return "; " + what + " IS FILLING UP"
	case engram.ResourceLevelRefusing:
		return "; " + what + " IS FULL: new observations are refused"
	}
	return fmt.Sprintf("; %s is at level %d, which is newer than this program", what, l)
}

// describeMemory gives the lines of a server's status about memory; none of a
// server that is older.
func describeMemory(st *engram.ServerStatus) (lines []string) {
	m := st.Memory
	if m == nil {
		return nil
	}
	return []string{
		fmt.Sprintf("memory      %s%s; the process has %s%s%s", size(m.Used), bound(m.Used, m.Budget),
			size(st.MemoryBytes), bound(st.MemoryBytes, m.Limit), level("MEMORY", m.Level)),
		fmt.Sprintf("            rows %s, ids %s, codes %s, graphs %s, filters %s, queue %s, other %s", size(m.Rows), size(m.Ids),
			size(m.Codes), size(m.Graphs), size(m.Filters), size(m.Queue), size(m.Rest)),
	}
}

// describePolicies says how many spaces are indexed how; nothing while all are as
// configured.
func describePolicies(all []*engram.IndexPolicyStatus) string {
	var out []string
	for _, p := range all {
		if policy := engram.IndexPolicy(p.Policy); p.Spaces > 0 && policy != engram.IndexFull {
			out = append(out, fmt.Sprintf("%d spaces %s", p.Spaces, policy))
		}
	}
	if out == nil {
		return ""
	}
	return "INDEXING    lags: " + strings.Join(out, ", ") + "; rows that wait are scanned meanwhile"
}
