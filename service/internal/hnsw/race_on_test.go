//go:build race

package hnsw

// raceDetector slows single-threaded work tenfold and can find nothing in it:
// what measures recall is made smaller or skipped.
const raceDetector = true
