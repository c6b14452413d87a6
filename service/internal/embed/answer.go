package embed

import (
	"encoding/json"
	"math"
)

// request is the body of POST /v1/embeddings.
type request struct {
	Model          string   `json:"model"`
	Input          []string `json:"input"`
	EncodingFormat string   `json:"encoding_format"`
}

// answer is what is used of the response.
type answer struct {
	Data []struct {
		Index     *int      `json:"index"`
		Embedding []float32 `json:"embedding"`
	} `json:"data"`
}

// answerLimit is the size in bytes beyond which an answer is not read: 32 for
// each number (they are printed with up to 24), and room for the rest.
func answerLimit(texts, dimension int) int64 {
	if dimension == 0 {
		dimension = maxDimension
	}
	return 64<<10 + int64(texts)*(256+32*int64(dimension))
}

// decode checks an answer whole and then fills vectors. Dimension 0 takes any.
func decode(raw []byte, vectors [][]float32, dimension int) error {
	var a answer
	// Numbers beyond float32 are an error of the decoder's.
	if err := json.Unmarshal(raw, &a); err != nil {
		return wrong("its answer of %d bytes is not as the protocol says", len(raw))
	}
	if len(a.Data) != len(vectors) {
		return wrong("it answered with %d vectors to %d texts", len(a.Data), len(vectors))
	}
	got := make([][]float32, len(vectors))
	for i, d := range a.Data {
		at := i
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= len(got) || got[at] != nil {
			return wrong("it answered with index %d twice or out of 0..%d", at, len(got)-1)
		}
		if dimension == 0 {
			dimension = len(d.Embedding)
		}
		if len(d.Embedding) != dimension || dimension == 0 || dimension > maxDimension {
			return wrong("its vector has dimension %d, not %d", len(d.Embedding), dimension)
		}
		if !usable(d.Embedding) {
			return wrong("its vector %d is zero or not finite", at)
		}
		got[at] = d.Embedding
	}
	copy(vectors, got)
	return nil
}

// usable reports whether v is finite and has a direction.
func usable(v []float32) bool {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return sum > 0 && !math.IsInf(sum, 0) && !math.IsNaN(sum)
}
