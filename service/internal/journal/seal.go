package journal

import "context"

// Seal implements [Journal]: it ends the active segment, however full it is,
// and goes on in the next one, which is there already as a rule. The rest of
// the old one's room stays unused until Trim removes it. The committer does
// it, between two commits; it costs one sync.
func (s *Segments) Seal(ctx context.Context) error {
	_, err := s.await(ctx, &entry{seal: true})
	return err
}
