// Package vfs is the file system as an interface: everything that the journal
// and the checkpoints do with files goes through it, so that power cuts, full
// disks and failing syncs can be simulated.
//
// There are three implementations: [OS] is the machine's, [Mem] lives in
// memory and can lose what was not synced ([Mem.Crash]), and [Inject] wraps
// another one and makes chosen calls fail.
//
// The contract is what POSIX promises and no more:
//
//   - a write is on stable storage only once [File.Sync] on that file returned;
//   - a created, renamed or removed name is so only once [FS.SyncDir] on its
//     directory returned; the one exception is [FS.MkdirAll], which is durable
//     when it returns;
//   - after a Sync that failed, what is on stable storage is unknown, and a
//     later Sync that succeeds proves nothing about the earlier bytes.
//
// Names use forward slashes. Every implementation is safe for concurrent use,
// also of one file.
//
// It stands on the ground floor (F0) and imports nothing of the project.
package vfs
