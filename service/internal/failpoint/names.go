package failpoint

import "slices"

// The places that can be made to fail.
const (
	WorkerBatch     = "worker.batch"     // a worker has taken a batch, nothing is journaled yet
	WorkerItem      = "worker.item"      // before one observation of a batch is prepared
	SpaceApply      = "space.apply"      // before a journaled frame is applied to its space
	JournalSync     = "journal.sync"     // in place of the fsync of a group commit
	JournalWrite    = "journal.write"    // in place of the write of a group commit
	JournalSkip     = "journal.skip"     // an error leaves the fsync of a group commit out, and says it was done
	CheckpointWrite = "checkpoint.write" // before a space is written into a checkpoint
	EmbedCall       = "embed.call"       // before the embedding provider is called
)

var names = []string{WorkerBatch, WorkerItem, SpaceApply, JournalSync, JournalWrite, JournalSkip, CheckpointWrite, EmbedCall}

// Names lists every known failpoint.
func Names() []string { return slices.Clone(names) }

func known(name string) bool { return slices.Contains(names, name) }
