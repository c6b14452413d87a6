package embed

import (
	"context"
	"errors"

	"github.com/engram-stream/engram/service/internal/fault"
)

// The kinds of embedder.
const (
	KindHashing = "hashing"
	KindOpenAI  = "openai"
)

// Identity says which embedder made a vector. Two vectors may be compared only
// when their identities are equal.
type Identity struct {
	Kind      string // KindHashing or KindOpenAI
	Model     string // names the version, too
	Dimension int    // length of every vector
}

// Embedder turns texts into vectors. All methods may be called by any number
// of goroutines at once.
type Embedder interface {
	// Identity is constant over the embedder's life.
	Identity() Identity
	// Embed returns one vector of Identity().Dimension finite values, not all
	// zero, per text, in the order of texts. It is all or nothing: errors are
	// faults, INVALID_ARGUMENT when a text is at fault (see [Each] for finding
	// out which) and UNAVAILABLE with a retry hint when the embedder is.
	Embed(ctx context.Context, texts []string) ([][]float32, error)
	// MaxBatch is the number of texts that one unit of work holds. Embed takes
	// more and splits them; batchers use it to size what they collect.
	MaxBatch() int
	// Close ends calls that are under way and waits for them. Embed fails
	// afterwards. Closing twice is fine.
	Close() error
}

// Each embeds texts that come from different observations, so that one bad
// text does not spoil its neighbours: where a batch is refused because of its
// input, the halves are tried by themselves. Per text exactly one of the
// results is set. It costs one call of Embed when nothing is wrong with the
// input, fewer than 2·len(texts) otherwise, and does not halve what failed for
// other reasons.
func Each(ctx context.Context, e Embedder, texts []string) ([][]float32, []error) {
	vectors := make([][]float32, len(texts))
	errs := make([]error, len(texts))
	each(ctx, e, texts, vectors, errs)
	return vectors, errs
}

// each recurses to a depth of log2(len(texts)).
func each(ctx context.Context, e Embedder, texts []string, vectors [][]float32, errs []error) {
	if len(texts) == 0 {
		return
	}
	got, err := e.Embed(ctx, texts)
	if err == nil {
		copy(vectors, got)
		return
	}
	var f *fault.Error
	if half := len(texts) / 2; half > 0 && errors.As(err, &f) && f.Code == fault.InvalidArgument {
		each(ctx, e, texts[:half], vectors[:half], errs[:half])
		each(ctx, e, texts[half:], vectors[half:], errs[half:])
		return
	}
	for i := range errs {
		errs[i] = err
	}
}

// errEmpty is the fault for a text without a single byte.
func errEmpty(i int) error {
	return fault.New(fault.InvalidArgument, fault.EmptyObservation, "text %d is empty: there is nothing to embed", i)
}
