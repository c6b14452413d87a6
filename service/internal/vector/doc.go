// Package vector compares and converts embeddings: distance kernels, scores,
// and the packed forms in which vectors travel (float32 and binary16, little
// endian).
//
// In the life of an observation it is used twice: when the packed bytes a
// client sent are decoded, and whenever a stored row is compared with a query,
// by the scan of the fresh tier and by the graph (package hnsw).
//
// Vectors are []float32. Many vectors lie one after the other in one slice
// ("flat", row-major): row i is base[i*dim : (i+1)*dim]. Functions that take
// many rows exist because one call for many rows is several times cheaper per
// row than one call for each.
//
// Vectors may also be compared by short codes: [ScalarQuantizer] makes 7-bit
// codes, a byte for each component, which choose nearly the rows that float32
// would; [SignQuantizer] makes 1-bit codes, which choose many candidates
// quickly. Both estimate the score, and say how far they may err; whoever uses
// them compares what they choose anew by float32. [Codes] are rows of codes.
//
// What else a walk over a graph does for every row it meets is here too, as its
// kernels are written and chosen like the others: [UnmarkedLinks] leaves out
// what it has met, [KeysAbove] ranks the rest, [InsertBest] keeps the best.
//
// The kernels are chosen once, at start-up, by what the processor can do:
// AVX-512 or AVX2 with FMA, NEON with products of bytes or without, or portable
// Go, which every architecture has. The variable ENGRAM_KERNELS (portable,
// avx2, avx512, neon, neon-dot) forces a choice; under avx512 codes take the
// AVX2 kernels if the processor has no VNNI or VPOPCNTDQ. Those over float32
// sum in several accumulators, so they agree with each other within rounding
// and not to the last bit: a result may depend on the machine, never on the
// run. Those over codes, the codes themselves, and what a walk does are the same
// everywhere.
//
// It stands on floor F1 and imports only packages memory and fault.
package vector
