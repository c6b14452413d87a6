//go:build !race

package hnsw

const raceDetector = false
