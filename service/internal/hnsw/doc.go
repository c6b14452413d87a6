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
// A scorer may compare rows among themselves by another measure than with what is
// searched for: what it returns from QueryOf is only ever asked for by the inserter.
// Under the dot product, which is no metric, that and KeepPruned are what makes a
// graph that finds anything, see dome in package space.
//
// # Speed
//
// What costs is comparing rows, and fetching from memory what is compared. So a
// search keeps one sorted beam (its results are the rows to go on from), scores
// the new neighbours of several rows in one call, and asks for a list when its
// row enters the beam; the heuristic compares each neighbour it takes with all
// candidates left; and a batch is inserted in the order of the cells of the upper
// layers, near rows after each other ([Graph.InsertBatch]). What remains is telling
// which linked rows were met before, and keeping the best: kernels of package
// vector do it for 8 or 16 at a time, without branches on what nobody can guess.
//
// 100,000 rows, 7-bit codes, M 16, EfConstruction 100, one core of an EPYC of
// the Zen 5 generation with AVX-512, shared with other work; in seconds of
// processor time, recall@10 after comparing what is found by float32:
//
//	                              128 components         768 components
//	                           inserts  q@.95  q@.99   inserts  q@.95  q@.99
//	two heaps, row by row       18,600   72 K   38 K    11,900   34 K   20 K
//	row by row                  36,000  111 K   65 K    21,500   44 K   29 K
//	batches of 16,384           38,700   98 K   58 K    26,400   43 K   29 K
//	same, narrowed to 48        69,500   82 K   40 K    47,900   41 K   21 K
//
// The first line is what this package was before; all are from before the kernels
// of what is not comparing. These brought, with batches of 8,192 and in turns with
// the code without them, 1.43 times the inserts at 128 components and 1.31 at 768
// (19 and 31 µs an insert, a third and a half of which is comparing), and
// searches of 20,000 x 128 at breadth 12, 40 and 160 1.4, 1.7 and 1.65 times as
// fast. The graph and the recall are the same, link by link; processors without
// AVX-512 gain little.
//
// With 300,000 rows of 384
// components it was 10,900 inserts against 23,100 in batches; recall@10 at
// breadth 64 and 160, over three seeds, was .9912 and .9983 row by row, .9922
// and .9993 in batches. Sorting pays where the codes
// do not fit into the cache that is shared by all cores: with 768 components
// batches of 256, 2,000 and 8,000 rows gave 1.0, 1.15 and 1.25 times what rows
// one by one gave, and more gave no more. Also measured, and left out: a search
// seeded with the neighbours of the row before, on top of the descent (no
// difference), and pruning each list once for all new links of a batch (it could
// save no more than the 2 % that pruning takes). To measure anew:
//
//	go test -run '^$' -bench Codes -benchtime 1x ./service/internal/hnsw
//
// # Concurrency
//
// One goroutine inserts, removes and writes images; any number search
// meanwhile, and never wait. A row's own lists are written before the first
// link to it, and links, levels and the entry point are read and written with
// sync/atomic, whose order makes everything written before a link visible to
// whoever reads the link. The vectors of a row must be complete before Insert
// is called for it. Nothing is ever moved, and what removed rows leave is given
// back no sooner than by the next Remove; there is no goroutine that outlives a
// call and nothing to close.
//
// Inserts only add ways to the rows that are there. Remove closes some when it has
// opened others, and a search may have passed where these begin before they were
// there: one that Remove closed ways beside, and that has found less than it was
// asked for, begins anew ([Graph.Search]).
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
