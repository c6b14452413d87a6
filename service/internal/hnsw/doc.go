// Package hnsw is the graph behind recall: Hierarchical Navigable Small World,
// Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest
// neighbor search using Hierarchical Navigable Small World graphs",
// arXiv:1603.09320. Algorithm numbers in the comments are those of the paper.
//
// In the life of an observation it is the index stage: rows that recall
// already sees, because the fresh tier is scanned, move into the graph later.
// The graph holds row numbers and links and nothing else. Vectors and their
// comparison belong to the [Scorer] it is given; whether a row may be returned
// (deleted, expired, filtered, too new for the snapshot) is the accept function
// of each search. It knows no spaces, no time, no generations.
//
// # What differs from the paper
//
//   - A row's level is a function of the seed and its number alone, so the same
//     rows inserted in the same order give the same graph, after a restart too.
//   - Each row but the first has a parent at layer 0, and the links between the
//     two are never pruned. These links form a tree over all rows, so that every
//     row is reachable from every other, whatever the pruning heuristic drops
//     ([Graph.Check] proves it). A row has at most M/2 children, so most of its
//     2M links stay free for the heuristic.
//   - Pruning a list never moves a link that stays: a concurrent reader sees
//     each at its place throughout.
//
// Candidates are not extended by their neighbours (extendCandidates is off);
// pruned candidates are dropped unless [Config.KeepPruned] says otherwise.
//
// # Concurrency
//
// One goroutine inserts, removes and writes images; any number search
// meanwhile, and never wait. A row's own lists are written before the first
// link to it, and links, levels and the entry point are read and written with
// sync/atomic, whose order makes everything written before a link visible to
// whoever reads the link. The vectors of a row must be complete before Insert
// is called for it. Nothing is ever moved, and what removed rows leave is given back no sooner than by the
// next Remove; there is no goroutine that outlives a call and nothing to close.
//
// # Images and removal
//
// [Graph.WriteImage] writes the graph as it lies in memory, and [LoadImage]
// uses such an image in place: a start validates the links and builds nothing.
// [Graph.Remove] takes rows out; a row that is only hidden from searches, by
// their accept function, needs no removal and costs them little.
//
// It stands on floor F2 and imports packages vector, memory and fault.
package hnsw
