package engram

import (
	"context"
	"errors"
	"iter"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// maxPage is how many observations a page is asked for at first.
const maxPage = 500

// Page is a stretch of a listing.
type Page struct {
	Observations []Stored
	// Generation is the one that all pages of the listing are of.
	Generation uint64
}

// Pages goes through everything a space holds at one generation, in the order
// of generations, a page at a time, with vectors. at is that generation; 0 is
// the newest. There is at least one page, which may be empty. Going through
// them may not take longer than the space's history window.
func (c *Client) Pages(ctx context.Context, space string, at uint64) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		r := &v1.ListObservationsRequest{
			Space: space, PageSize: maxPage, At: at, Include: &v1.Include{Content: true, Embedding: true, Metadata: true},
		}
		for {
			m, err := c.memory.ListObservations(ctx, r)
			if err = fromWire(err); IsRefused(err) && !retryable(err) && r.PageSize > 1 {
				r.PageSize = max(1, r.PageSize/4) // a page of large observations is over the limit of a message
				continue
			}
			if err != nil {
				yield(Page{}, err)
				return
			}
			if !yield(Page{storedOf(m.Observations), m.Generation}, nil) {
				return
			}
			if r.PageToken = m.NextPageToken; r.PageToken == "" {
				return
			}
		}
	}
}

func retryable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Retryable
}

// Page reads one page: the first observations, at most n (1..1,000), of
// generations above since, as the space was at generation at; 0 is the newest.
// They come without vectors. An empty page is the end of the space.
func (c *Client) Page(ctx context.Context, space string, since, at uint64, n int) (Page, error) {
	m, err := c.memory.ListObservations(ctx, &v1.ListObservationsRequest{
		Space: space, PageSize: uint32(max(0, n)), SinceGeneration: since, At: at,
	})
	if err != nil {
		return Page{}, fromWire(err)
	}
	return Page{storedOf(m.Observations), m.Generation}, nil
}
