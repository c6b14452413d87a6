package source

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
)

// Bounds of what is read.
const (
	MaxLine  = 1 << 20 // bytes of a line
	MaxPiece = 8 << 10 // bytes of a paragraph; longer ones are cut
)

// ErrTooLong is a line over MaxLine.
var ErrTooLong = errors.New("line is longer than 1 MiB")

// Piece is one thing to observe.
type Piece struct {
	ID     string
	Text   string
	Vector []float32
	// Source is the file, Line where in it the piece begins (from 1), Heading
	// the headings it stands under.
	Source  string
	Line    int
	Heading string
	// Raw is the JSON of an observation, of a JSONL source: it is sent as it
	// is, with ID filled in when it has none.
	Raw json.RawMessage
}

// Pieces is a sequence of pieces; it ends early with an error.
type Pieces = iter.Seq2[Piece, error]

// textID derives the id of a text: its source and what it says, but not where
// in the source, so that moving a paragraph does not make it new.
func textID(source, heading, text string) string {
	return digest("text", source, heading, text)
}

// vectorID derives the id of a vector: its source and its row.
func vectorID(source string, row int, data []byte) string {
	return digest("vector", source, strconv.Itoa(row), string(data))
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
