package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
)

// backupRetry is when to come back while another backup is under way.
const backupRetry = 10 * time.Second

func (s adminService) Checkpoint(ctx context.Context, r *v1.CheckpointRequest) (*v1.CheckpointResponse, error) {
	info, err := s.h.engine.Checkpoint(ctx, engine.CheckpointWish{Erase: r.Erase})
	if err != nil {
		return nil, err
	}
	return &v1.CheckpointResponse{
		Catalog: info.Number, Position: uint64(info.Position), Spaces: uint64(info.Spaces), Bytes: uint64(max(0, info.Bytes)), Took: durationpb.New(info.Took),
	}, nil
}

// Backup streams a checkpoint. One at a time: each keeps files on the disk
// that would go otherwise.
func (s adminService) Backup(ctx context.Context, _ *v1.BackupRequest, stream engramv1connect.AdminServiceBackupServerStream) error {
	if !s.h.backup.TryLock() {
		return fault.Retry(fault.ResourceExhausted, fault.TooManyWaiters, backupRetry, "another backup is under way; there is one at a time")
	}
	defer s.h.backup.Unlock()
	end := &v1.BackupEnd{}
	last := int64(-1)
	err := s.h.engine.Backup(ctx, func(p engine.BackupPart) error {
		select {
		case <-s.h.leaving:
			return errLeaving
		default:
		}
		if p.Begin != nil {
			begin, err := backupBegin(p.Begin)
			if err != nil {
				return err
			}
			return stream.Send(&v1.BackupResponse{Part: &v1.BackupResponse_Begin{Begin: begin}})
		}
		if int64(p.File) != last {
			last = int64(p.File)
			end.Files++
		}
		end.Bytes += uint64(len(p.Data))
		return stream.Send(&v1.BackupResponse{Part: &v1.BackupResponse_Chunk{
			Chunk: &v1.BackupChunk{File: uint64(p.File), Offset: p.Offset, Data: p.Data},
		}})
	})
	if err != nil {
		return err
	}
	s.h.log.InfoContext(ctx, "backup sent", "files", end.Files, "bytes", end.Bytes)
	return stream.Send(&v1.BackupResponse{Part: &v1.BackupResponse_End{End: end}})
}

func backupBegin(b *engine.BackupBegin) (*v1.BackupBegin, error) {
	catalog, err := b.Catalog.Encode()
	if err != nil {
		return nil, err
	}
	return &v1.BackupBegin{
		Catalog: catalog, CatalogNumber: b.Catalog.Number, Files: uint64(b.Files), Bytes: b.Bytes, Position: b.Catalog.Position,
	}, nil
}
