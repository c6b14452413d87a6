package recallcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/cmd/engram/internal/jsonl"
)

// MaxCues bounds the cues of one check.
const MaxCues = 10_000

// Cue is what is asked for, and how to name it to a person.
type Cue struct {
	Cue  engram.Cue
	Name string // an id, or the place in a file
}

// ReadCues reads a cue a line: a text ("where is the kettle"), a vector
// ([0.1,…]), or an observation as exports write it, whose vector is asked for,
// else its content. Empty lines, and the first and last line of an export, are
// passed over. name is the file's, for errors.
func ReadCues(name string, in io.Reader) (cues []Cue, err error) {
	lines := jsonl.NewReader(in)
	for n := 1; ; n++ {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return cues, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		cue, err := parseCue(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if cue == nil {
			continue
		}
		if len(cues) == MaxCues {
			return nil, fmt.Errorf("%s:%d: more than %d queries", name, n, MaxCues)
		}
		cues = append(cues, Cue{cue, fmt.Sprintf("%s:%d", name, n)})
	}
}

// parseCue reads one line; nil is one that an export has beside observations.
func parseCue(line []byte) (engram.Cue, error) {
	switch line[0] {
	case '"':
		var text string
		if err := json.Unmarshal(line, &text); err != nil {
			return nil, fmt.Errorf("not a text: %w", err)
		}
		if text == "" {
			return nil, errors.New("the text is empty")
		}
		return engram.ByText(text), nil
	case '[':
		var v []float32
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("not a vector: %w", err)
		}
		if len(v) == 0 {
			return nil, errors.New("the vector is empty")
		}
		return engram.ByVector(v), nil
	case '{':
		var marks struct {
			Header json.RawMessage `json:"engram_export"`
			End    json.RawMessage `json:"engram_export_end"`
		}
		if json.Unmarshal(line, &marks) == nil && (marks.Header != nil || marks.End != nil) {
			return nil, nil
		}
		o, err := jsonl.Parse(line)
		switch {
		case err != nil:
			return nil, err
		case len(o.Vector) > 0:
			return engram.ByVector(o.Vector), nil
		case o.Content != "":
			return engram.ByText(o.Content), nil
		}
		return nil, errors.New("the observation has neither an embedding nor content")
	}
	return nil, errors.New(`a line is a text ("…"), a vector ([…]) or an observation ({…})`)
}
