package rpc

import (
	"log/slog"
	"testing"

	"connectrpc.com/connect/v2"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/engine"
)

// A second backup is refused while one is under way, and told when to come back.
func TestOneBackupAtATime(t *testing.T) {
	h := New(nil, slog.New(slog.DiscardHandler), "test")
	h.backup.Lock()
	defer h.backup.Unlock()
	err := adminService{h}.Backup(t.Context(), &v1.BackupRequest{}, engramv1connect.AdminServiceBackupServerStream{})
	if s := Status(err); s.Code() != connect.CodeResourceExhausted || len(s.Details()) != 2 {
		t.Errorf("%v with %d details", err, len(s.Details()))
	}
}

func TestCheckpointStatus(t *testing.T) {
	if s := checkpointStatus(engine.CheckpointStatus{TailBytes: -1}); s.CreatedAt != nil || s.Age != nil || s.TailBytes != 0 {
		t.Errorf("without a checkpoint: %v", s)
	}
	s := checkpointStatus(engine.CheckpointStatus{Number: 3, Position: 7, TailBytes: 9, Asleep: 2, Failure: "x", Damage: []string{"y"}})
	if s.Catalog != 3 || s.CreatedAt == nil || s.Age == nil || s.Position != 7 || s.TailBytes != 9 || s.AsleepSpaces != 2 || s.Failure != "x" || len(s.Damage) != 1 {
		t.Errorf("%v", s)
	}
}
