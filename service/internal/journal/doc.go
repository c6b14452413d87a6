// Package journal is the durable log: what it has acknowledged survives
// kill -9, a power cut and a full disk.
//
// In the life of an observation it comes after the worker has taken a batch
// off the queue and before the batch is applied to its space. A worker appends
// one [Frame] per batch; once it is on stable storage the clients are told
// DURABLE. After a restart the engine reads the frames back, in order, and
// applies them again.
//
// It stands on floor F1 and imports memory, clock, vfs and failpoint.
//
// # Segments
//
// A log is a directory of files of fixed capacity (64 MB by default), each
// named by the [Position] of its first byte in 16 hex digits. Positions count
// bytes over all segments, so a frame's place in its file is its position less
// the segment's. The next segment is made, and its room reserved, while the
// current one is being filled: a full disk shows before work is admitted.
//
// A segment starts with 32 bytes (integers little-endian):
//
//	 0  8  "ENGRAMJ" and the version, 1
//	 8  8  id of the log, drawn at random when it is created
//	16  8  position of this segment
//	24  4  capacity in bytes
//	28  4  CRC32C of bytes 0..28
//
// # Frames
//
// Frames follow one another without padding and never cross a segment's end:
//
//	 0  4  "EJF" and the version, 1
//	 4  4  back: bytes from the start of the commit that wrote it to the frame
//	 8  4  length of the fields
//	12  4  length of the payload
//	16  4  CRC32C of the fields
//	20  4  CRC32C of the payload
//	24  4  CRC32C of the log's id, the frame's position (8 bytes each) and bytes 0..24
//	28     fields, then payload
//
// The last checksum binds the lengths and both other checksums to this log and
// this position: bytes of an older life of the disk, or a payload that looks
// like a frame, cannot be taken for one. The fields can be read without the
// payload ([Segments.ReadHeaders]). They are, as varints and length-prefixed
// strings: kind (one byte), space, incarnation, first generation, generations,
// commit time (zigzag), number of runs; per run session, incarnation, first
// sequence, count, number of rejections; per rejection sequence, observation
// id, reason, message.
//
// Two kinds are the journal's own and are not handed out: a seal ends a segment
// that is full, or that is to be trimmed soon ([Segments.Seal]), and is on
// stable storage before the next one is written to; a clean
// mark is the last thing a Close writes.
//
// # Commits
//
// One goroutine commits. It takes every frame that is waiting, writes them with
// one write and one fdatasync, tells the callers, and looks again: the longer
// the disk takes, the more callers share a sync, and an idle log waits for
// nobody. A commit is never written before the one before it is synced.
//
// The first failed write or sync ends the journal ([FailedError]): what is on
// the disk is then unknown, and a sync that succeeds later proves nothing. The
// one exception is a write that found the disk full; it is taken back (the
// file is cut to where it was, and that is synced) and [ErrFull] is reported.
//
// # After a crash
//
// Opening reads the segment that was being written. At the first place X
// without a valid frame there are three cases:
//
//   - nothing but zeros follow: the log ends here;
//   - something follows, and every valid frame among it was written by a commit
//     that began at or before X (its "back" says so): that commit was never
//     finished, nobody was told, and the file is cut at X;
//   - a valid frame of a later commit follows: X was on stable storage once, so
//     this is damage. [Open] returns a [*CorruptError] and changes nothing.
//
// Damage to the very last commit cannot be told from a commit that was torn,
// unless the journal was closed cleanly: the clean mark is such a later commit.
//
// Older segments are not read by Open. Reading checks every byte it hands
// out: damage ends the Read with a [*CorruptError], and the journal with it,
// for it must not be added to before somebody has decided.
package journal
