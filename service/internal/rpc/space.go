package rpc

import (
	"context"
	"encoding/base64"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// spaceService is SpaceService over the engine.
type spaceService struct{ h *Handlers }

func (s spaceService) CreateSpace(ctx context.Context, r *v1.CreateSpaceRequest) (*v1.CreateSpaceResponse, error) {
	n := engine.NewSpace{ID: memory.SpaceID(r.Space), Dimension: int(r.Dimension), Metric: memory.Metric(r.Metric), Embedder: r.Embedder}
	if r.IndexThreshold != nil {
		t, err := threshold(*r.IndexThreshold)
		if err != nil {
			return nil, err
		}
		n.IndexThreshold = &t
	}
	if h := r.HistoryWindow; h != nil {
		if n.History = h.AsDuration(); n.History < 0 {
			return nil, fault.New(fault.InvalidArgument, fault.InvalidField, "history_window is %v; it must not be negative", n.History).In("history_window")
		}
	}
	n.Quotas = quotas(r.Quotas)
	var err error
	if n.Retention, err = retention(r.Retention); err != nil {
		return nil, err
	}
	sp, created, err := s.h.engine.CreateSpace(ctx, n)
	if err != nil {
		return nil, err
	}
	return &v1.CreateSpaceResponse{Space: s.describe(sp), Created: created}, nil
}

func (s spaceService) GetSpace(_ context.Context, r *v1.GetSpaceRequest) (*v1.GetSpaceResponse, error) {
	sp, err := s.h.engine.Space(memory.SpaceID(r.Space))
	if err != nil {
		return nil, err
	}
	return &v1.GetSpaceResponse{Space: s.describe(sp)}, nil
}

func (s spaceService) ListSpaces(_ context.Context, r *v1.ListSpacesRequest) (*v1.ListSpacesResponse, error) {
	after, err := nameToken(r.PageToken)
	if err != nil {
		return nil, err
	}
	list, more := s.h.engine.Spaces(r.Prefix, memory.SpaceID(after), pageSize(r.PageSize))
	out := &v1.ListSpacesResponse{}
	for _, sp := range list {
		out.Spaces = append(out.Spaces, s.describe(sp))
	}
	if more {
		out.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(list[len(list)-1].ID()))
	}
	return out, nil
}

func (s spaceService) UpdateSpace(ctx context.Context, r *v1.UpdateSpaceRequest) (*v1.UpdateSpaceResponse, error) {
	var q *space.Quotas
	var keep *space.Retention
	var t *int
	if r.Quotas != nil {
		v := quotas(r.Quotas)
		q = &v
	}
	if r.Retention != nil {
		v, err := retention(r.Retention)
		if err != nil {
			return nil, err
		}
		keep = &v
	}
	if r.IndexThreshold != nil {
		v, err := threshold(*r.IndexThreshold)
		if err != nil {
			return nil, err
		}
		t = &v
	}
	sp, err := s.h.engine.UpdateSpace(ctx, memory.SpaceID(r.Space), q, keep, t)
	if err != nil {
		return nil, err
	}
	return &v1.UpdateSpaceResponse{Space: s.describe(sp)}, nil
}

func (s spaceService) DeleteSpace(ctx context.Context, r *v1.DeleteSpaceRequest) (*v1.DeleteSpaceResponse, error) {
	n, err := s.h.engine.DeleteSpace(ctx, memory.SpaceID(r.Space))
	if err != nil {
		return nil, err
	}
	return &v1.DeleteSpaceResponse{Forgotten: uint64(n)}, nil
}

// maxThreshold is the highest index threshold: more rows than a space holds.
const maxThreshold = 1 << 31

func threshold(v uint64) (int, error) {
	if v > maxThreshold {
		return 0, fault.New(fault.InvalidArgument, fault.InvalidField, "index_threshold is %d; the limit is %d", v, uint64(maxThreshold)).In("index_threshold")
	}
	return int(v), nil
}

func quotas(m *v1.Quotas) space.Quotas {
	return space.Quotas{MaxObservations: clampInt64(m.GetMaxObservations()), MaxBytes: clampInt64(m.GetMaxBytes())}
}

func retention(m *v1.Retention) (space.Retention, error) {
	r := space.Retention{MaxAge: m.GetMaxAge().AsDuration(), MaxObservations: clampInt64(m.GetMaxObservations()), MaxBytes: clampInt64(m.GetMaxBytes())}
	if r.MaxAge < 0 {
		return r, fault.New(fault.InvalidArgument, fault.InvalidField, "retention.max_age is %v; it must not be negative", r.MaxAge).In("retention.max_age")
	}
	return r, nil
}

func clampInt64(v uint64) int64 { return int64(min(v, 1<<63-1)) }

// pageSize is how many entries a page of names has.
func pageSize(asked uint32) int {
	if asked == 0 {
		return engine.DefaultPage
	}
	return min(int(asked), engine.MaxPage)
}

// nameToken reads a page token that holds a name.
func nameToken(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || (token != "" && !memory.ValidName(string(b))) {
		return "", fault.New(fault.InvalidArgument, fault.InvalidPageToken, "page_token is not one this server made").In("page_token")
	}
	return string(b), nil
}
