// Package checkpoint keeps, in one directory, files of sections and the
// catalogs that say which of them make up a checkpoint. It replaces one
// checkpoint by the next atomically, keeps the one before, and hands out what
// it has verified and nothing else.
//
// In the life of an observation it comes after everything: what the journal
// has and the spaces have applied is written here from time to time, so that a
// restart reads the catalog, maps the files and replays only the journal's
// tail. The engine decides what is written and when; the spaces, their indexes
// and their graphs decide what their sections hold. This package knows nothing
// of that.
//
// It stands on floor F1 and imports memory, fault, clock and vfs.
//
// # Data files
//
// A data file, %016x.ckpt by its [FileID], is written once by a [Writer] and
// never changed. All integers are little-endian:
//
//	header, 64 bytes:
//	 0  7  "ENGRAMC"
//	 7  1  version, 1
//	 8  8  id of the file
//	16     zeros
//	sections, each at a multiple of 64, zeros between them
//	table: 4 bytes for each block, its checksum
//	trailer, 64 bytes:
//	 0  7  "ENGRAME"
//	 7  1  version, 1
//	 8  8  id of the file
//	16  8  length of the data, which is header and sections
//	24  4  length of a block, 1 MiB
//	28  4  number of blocks
//	32  4  CRC32C of the table
//	36     zeros
//	60  4  CRC32C of bytes 0..60
//
// A block is 1 MiB of the data, the last one less. Its checksum is the CRC32C
// of the file's id, the block's number (8 bytes each) and its bytes: a block
// that the disk put elsewhere does not pass.
//
// Every bit of a file is under a checksum. The footer is verified when the file
// is mapped, a block when a section in it is first asked for, all of them by
// [Store.Scrub].
//
// # Catalogs
//
// A catalog, catalog-%016x by its number, is one line
//
//	engram-catalog VERSION LENGTH CRC32C
//
// and LENGTH bytes of JSON (see [Catalog]). The checksum, 8 hex digits, covers
// the line up to it and the JSON.
//
// [Store.Commit] syncs the directory (the names of the data files), writes the
// catalog under a temporary name, syncs it, renames it and syncs the directory.
// Only then are the catalog before the previous one, and the files that nobody
// needs, removed. So at every moment a power cut leaves the former catalog or
// the new one, with every file it names.
//
// # Failures
//
// A write that fails, or the sync of a file, ends that file or that Commit: it
// is written anew under another name, never synced again. A failed sync of the
// directory ends the store for writing ([FailedError]), for what it holds on
// stable storage is unknown from then on. Reading goes on in both cases.
//
// Damage is never served. [Open] sees without reading data files that a catalog
// is damaged, or that a file it names is missing or has another length: it then
// puts the previous catalog in force, as long as that one is whole, and reports
// the damage by [Store.Damage]. The journal is kept from the previous catalog's
// position on, so nothing is lost by that. Damage within a file shows when the
// section is asked for, and the previous catalog may have what replaces it.
// When there are catalogs and none can be read, Open refuses: to start empty
// would lose everything.
//
// A file that is not whole goes on being named by the catalogs of the space
// that needs it: other spaces go on having checkpoints, and the damage is
// reported until the space is deleted or its files are put back.
package checkpoint
