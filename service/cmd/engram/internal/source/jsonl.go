package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// JSONL reads an observation per line, in the JSON form of the contract. One
// without an id gets one derived from the line.
func JSONL(name string, r io.Reader) Pieces {
	return func(yield func(Piece, error) bool) {
		lines := newLines(r)
		for n := 1; ; n++ {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Piece{}, fmt.Errorf("%s:%d: %w", name, n, err))
				return
			}
			if strings.TrimSpace(line) == "" {
				continue
			}
			var head struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				yield(Piece{}, fmt.Errorf("%s:%d: not a JSON object: %w", name, n, err))
				return
			}
			if head.ID == "" {
				head.ID = textID(name, "", line)
			}
			if !yield(Piece{ID: head.ID, Source: name, Line: n, Raw: json.RawMessage(line)}, nil) {
				return
			}
		}
	}
}
