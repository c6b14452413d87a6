package rpc

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/space"
)

func TestIndexStatus(t *testing.T) {
	coded := space.Stats{Awake: true, ScannedBy: "1-bit", CodeRecall: 0.99, CodeWidth: 200, CodeTrial: 5000}
	wide := space.Stats{Awake: true, ScannedBy: "7-bit", CodeRecall: 1, CodeWidth: 40, CodeTrial: 5000}
	for name, c := range map[string]struct {
		is   engine.SpaceStatus
		want *v1.IndexStatus
	}{
		"1-bit codes": {engine.SpaceStatus{Stats: coded}, &v1.IndexStatus{
			ScannedBy: v1.ScanCodes_SCAN_CODES_ONE_BIT, CodeRecall: 0.99, CodeCandidates: 200, CodeTrialRows: 5000, Policy: v1.IndexPolicy_INDEX_POLICY_FULL}},
		"7-bit codes, narrow": {engine.SpaceStatus{Stats: wide, Policy: engine.IndexNarrow}, &v1.IndexStatus{
			ScannedBy: v1.ScanCodes_SCAN_CODES_SEVEN_BIT, CodeRecall: 1, CodeCandidates: 40, CodeTrialRows: 5000, Policy: v1.IndexPolicy_INDEX_POLICY_NARROW}},
		"none, paused": {engine.SpaceStatus{Stats: space.Stats{Awake: true}, Policy: engine.IndexPaused}, &v1.IndexStatus{
			ScannedBy: v1.ScanCodes_SCAN_CODES_NONE, Policy: v1.IndexPolicy_INDEX_POLICY_PAUSED}},
		"withheld": {engine.SpaceStatus{Stats: space.Stats{Awake: true, CodesWithheld: true}}, &v1.IndexStatus{
			ScannedBy: v1.ScanCodes_SCAN_CODES_NONE, CodesWithheld: true, Policy: v1.IndexPolicy_INDEX_POLICY_FULL}},
		"asleep": {engine.SpaceStatus{}, &v1.IndexStatus{Policy: v1.IndexPolicy_INDEX_POLICY_FULL}},
	} {
		if diff := cmp.Diff(c.want, indexStatus(&c.is), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Every level and policy of the engine has its value in the contract, under the
// name it has in logs and metrics.
func TestLevelsAndPolicies(t *testing.T) {
	for l, want := range map[journal.Level]string{
		journal.LevelNormal: "RESOURCE_LEVEL_OK", journal.LevelWarning: "RESOURCE_LEVEL_WARNING", journal.LevelRefuse: "RESOURCE_LEVEL_REFUSING",
	} {
		if got := resourceLevel(l).String(); got != want {
			t.Errorf("%v is %s, want %s", l, got, want)
		}
	}
	for p, want := range [engine.IndexPolicyCount]string{"INDEX_POLICY_FULL", "INDEX_POLICY_NARROW", "INDEX_POLICY_PAUSED"} {
		if got := indexPolicy(engine.IndexPolicy(p)).String(); got != want {
			t.Errorf("%v is %s, want %s", engine.IndexPolicy(p), got, want)
		}
	}
	got := indexPolicies([engine.IndexPolicyCount]engine.PolicyUse{{Spaces: 5, InForce: time.Hour}, {Spaces: 1, InForce: time.Second}})
	want := []*v1.IndexPolicyStatus{
		{Policy: v1.IndexPolicy_INDEX_POLICY_FULL, Spaces: 5},
		{Policy: v1.IndexPolicy_INDEX_POLICY_NARROW, Spaces: 1, TimeInForce: durationpb.New(time.Second)},
		{Policy: v1.IndexPolicy_INDEX_POLICY_PAUSED, TimeInForce: durationpb.New(0)},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestMemoryByWhatTakesIt(t *testing.T) {
	parts := space.Memory{Rows: 1, IDs: 2, Codes: 4, Graph: 8, Filter: 16, Rest: 32}
	if diff := cmp.Diff(&v1.SpaceMemory{Used: 63, Rows: 1, Ids: 2, Codes: 4, Graph: 8, Filters: 16, Rest: 32, Limit: 99}, spaceMemory(parts, 99), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	want := &v1.MemoryStatus{
		Level: v1.ResourceLevel_RESOURCE_LEVEL_REFUSING, Used: 127, Budget: 128, Limit: 160,
		Rows: 1, Ids: 2, Codes: 4, Graphs: 8, Filters: 16, Rest: 32, Queue: 64,
	}
	use := engine.MemoryUse{Parts: parts, Queue: 64, Used: 127, Budget: 128, Limit: 160, Level: journal.LevelRefuse}
	if diff := cmp.Diff(want, memoryStatus(use), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if m := spaceMemory(space.Memory{Rows: -5}, 0); m.Rows != 0 || m.Used != 0 {
		t.Errorf("below nought: %v", m)
	}
}

// packedRow is a vector of dim components by chance.
func packedRow(r *rand.Rand, dim int) *v1.Embedding {
	b := make([]byte, 0, 4*dim)
	for range dim {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(r.NormFloat64())))
	}
	return &v1.Embedding{Packed: &v1.PackedVector{Data: b, Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE}}
}

// A space that is big enough for codes shows them to whoever reads or lists it,
// and the server's status counts its memory.
func TestASpaceIsDescribed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a graph of 4,500 rows: run without -short")
	}
	const rows, dim = 4500, 16
	h := handlers(t)
	one := uint64(1)
	made, err := spaceService{h}.CreateSpace(t.Context(), &v1.CreateSpaceRequest{Space: "coded", Dimension: dim, IndexThreshold: &one})
	if err != nil {
		t.Fatal(err)
	}
	if s := made.Space; s.Index.ScannedBy != v1.ScanCodes_SCAN_CODES_NONE || s.Index.Policy != v1.IndexPolicy_INDEX_POLICY_FULL || s.Memory == nil || s.ResidentRows+s.MappedRows+s.DeadRows != 0 {
		t.Errorf("empty: %v", s)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < rows; at += 500 {
		batch := make([]*v1.Observation, 500)
		for i := range batch {
			batch[i] = &v1.Observation{Embedding: packedRow(r, dim)}
		}
		got, err := memoryService{h}.Observe(t.Context(), &v1.ObserveRequest{Space: "coded", Observations: batch, WaitFor: v1.AckLevel_ACK_LEVEL_INDEXED})
		if err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			if _, err := (memoryService{h}).Forget(t.Context(), &v1.ForgetRequest{Space: "coded", Ids: got.ObservationIds[:7]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var s *v1.Space
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		got, err := spaceService{h}.GetSpace(t.Context(), &v1.GetSpaceRequest{Space: "coded"})
		if err != nil {
			t.Fatal(err)
		}
		// Its memory is counted every second.
		if s = got.Space; s.Index.ScannedBy == v1.ScanCodes_SCAN_CODES_SEVEN_BIT && s.Memory.Codes > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no codes within a minute: %v", s)
		}
	}
	if x := s.Index; x.CodeRecall < 0.95 || x.CodeCandidates != 40 || x.CodeTrialRows < 4096 || x.CodesWithheld || x.Policy != v1.IndexPolicy_INDEX_POLICY_FULL {
		t.Errorf("index: %v", x)
	}
	if m := s.Memory; m.Used != m.Rows+m.Ids+m.Codes+m.Graph+m.Filters+m.Rest || m.Rows < rows*dim*4 || m.Graph == 0 || m.Limit != 0 {
		t.Errorf("memory: %v", m)
	}
	if s.DeadRows != 7 || s.Observations != rows-7 || s.ResidentRows != rows || s.MappedRows != 0 {
		t.Errorf("rows: %v", s)
	}
	listed, err := spaceService{h}.ListSpaces(t.Context(), &v1.ListSpacesRequest{})
	if err != nil || len(listed.Spaces) != 1 || listed.Spaces[0].Index.ScannedBy != s.Index.ScannedBy || listed.Spaces[0].DeadRows != 7 {
		t.Errorf("listed: %v, %v", listed, err)
	}
	got, err := adminService{h}.GetStatus(t.Context(), &v1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	st := got.Status
	if m := st.Memory; m.Level != v1.ResourceLevel_RESOURCE_LEVEL_OK || m.Codes == 0 || m.Used != m.Rows+m.Ids+m.Codes+m.Graphs+m.Filters+m.Rest+m.Queue || m.Limit != 0 || m.Budget != 0 {
		t.Errorf("memory of all: %v", m)
	}
	if st.DeadRows != 7 || st.Journal.DiskLevel != v1.ResourceLevel_RESOURCE_LEVEL_OK || st.Journal.DiskTotalBytes < st.Journal.DiskFreeBytes || len(st.IndexPolicies) != 3 || st.IndexPolicies[0].Spaces != 1 {
		t.Errorf("status: %v", st)
	}
}
