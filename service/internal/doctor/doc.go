// Package doctor looks at a data directory, or a backup, while nobody serves
// it, and says in plain sentences what it finds: it verifies every checksum of
// the journal and of the checkpoints, that every catalog and manifest names
// what is there, that positions and generations follow one another without a
// gap, what is lost where they do not, and what to do.
//
// It changes nothing and takes no lock. It comes after the life of an
// observation, when somebody asks whether what was kept is still there.
//
// It stands on floor F4 and imports memory, vfs, journal, checkpoint and space.
package doctor
