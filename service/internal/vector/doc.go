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
// The kernels are chosen once, at start-up, by what the processor can do:
// AVX-512, AVX2 with FMA, or portable Go, which every architecture has. The
// variable ENGRAM_KERNELS (portable, avx2, avx512) forces a choice. All of
// them sum in float32 in several accumulators, so they agree with each other
// within rounding and not to the last bit: a result may depend on the machine,
// never on the run.
//
// It stands on floor F1 and imports only package memory.
package vector
