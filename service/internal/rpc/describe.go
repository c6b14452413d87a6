package rpc

import (
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/space"
)

func (s spaceService) describe(sp *space.Space) *v1.Space {
	set, st := sp.Settings(), s.h.engine.SpaceStatus(sp)
	out := &v1.Space{
		Id: string(set.ID), Incarnation: uint64(set.Incarnation), Dimension: uint32(set.Dimension), Metric: v1.Metric(set.Metric),
		Generation: uint64(st.Generation), Observations: uint64(max(0, st.Live)), Unindexed: uint64(st.Unindexed), Bytes: uint64(max(0, st.Bytes)),
		State: v1.SpaceState_SPACE_STATE_ACTIVE, IndexThreshold: uint64(set.IndexThreshold), CreatedAt: timestamp(set.CreatedAt),
		HistoryWindow: durationpb.New(set.History), Quarantined: uint64(st.Quarantined), Asleep: !st.Awake,
		Embedder: &v1.EmbedderSpec{Kind: set.Embedder.Kind, Model: set.Embedder.Model, Dimension: uint32(set.Embedder.Dimension)},
		Index:    indexStatus(&st), Memory: spaceMemory(st.Memory, st.MemoryLimit),
		DeadRows: uint64(st.Dead()), ResidentRows: uint64(st.Resident), MappedRows: uint64(st.Mapped),
	}
	if q := set.Quotas; q != (space.Quotas{}) {
		out.Quotas = &v1.Quotas{MaxObservations: uint64(q.MaxObservations), MaxBytes: uint64(q.MaxBytes)}
	}
	if r := set.Retention; r != (space.Retention{}) {
		out.Retention = &v1.Retention{MaxAge: durationpb.New(r.MaxAge), MaxObservations: uint64(r.MaxObservations), MaxBytes: uint64(r.MaxBytes)}
	}
	switch s.h.engine.State() {
	case engine.Replaying:
		out.State = v1.SpaceState_SPACE_STATE_REPLAYING
	case engine.Failed:
		out.State = v1.SpaceState_SPACE_STATE_READ_ONLY
	}
	return out
}

func indexStatus(st *engine.SpaceStatus) *v1.IndexStatus {
	return &v1.IndexStatus{
		ScannedBy: scanCodes(&st.Stats), CodeRecall: st.CodeRecall, CodeCandidates: uint32(st.CodeWidth), CodeTrialRows: uint64(st.CodeTrial),
		CodesWithheld: st.CodesWithheld, Policy: indexPolicy(st.Policy),
	}
}

func scanCodes(st *space.Stats) v1.ScanCodes {
	switch {
	case !st.Awake:
		return v1.ScanCodes_SCAN_CODES_UNSPECIFIED
	case st.ScannedBy == "1-bit":
		return v1.ScanCodes_SCAN_CODES_ONE_BIT
	case st.ScannedBy == "7-bit":
		return v1.ScanCodes_SCAN_CODES_SEVEN_BIT
	}
	return v1.ScanCodes_SCAN_CODES_NONE
}

func indexPolicy(p engine.IndexPolicy) v1.IndexPolicy {
	return v1.IndexPolicy(p) + v1.IndexPolicy_INDEX_POLICY_FULL
}

func resourceLevel(l journal.Level) v1.ResourceLevel {
	return v1.ResourceLevel(l) + v1.ResourceLevel_RESOURCE_LEVEL_OK
}

func spaceMemory(m space.Memory, limit int64) *v1.SpaceMemory {
	return &v1.SpaceMemory{
		Used: size(m.Total()), Rows: size(m.Rows), Ids: size(m.IDs), Codes: size(m.Codes), Graph: size(m.Graph), Filters: size(m.Filter), Rest: size(m.Rest),
		Limit: size(limit),
	}
}

func memoryStatus(u engine.MemoryUse) *v1.MemoryStatus {
	m := u.Parts
	return &v1.MemoryStatus{
		Level: resourceLevel(u.Level), Used: size(u.Used), Budget: size(u.Budget), Limit: size(u.Limit),
		Rows: size(m.Rows), Ids: size(m.IDs), Codes: size(m.Codes), Graphs: size(m.Graph), Filters: size(m.Filter), Rest: size(m.Rest), Queue: size(u.Queue),
	}
}

// indexPolicies has every policy, so that none is missing where it is nought.
func indexPolicies(all [engine.IndexPolicyCount]engine.PolicyUse) (out []*v1.IndexPolicyStatus) {
	for p, use := range all {
		s := &v1.IndexPolicyStatus{Policy: indexPolicy(engine.IndexPolicy(p)), Spaces: uint64(use.Spaces)}
		if p != int(engine.IndexFull) {
			s.TimeInForce = durationpb.New(use.InForce)
		}
		out = append(out, s)
	}
	return out
}

// size is a number of bytes, which may be under way below nought.
func size(n int64) uint64 { return uint64(max(0, n)) }
