//go:build race

package vector

const raceDetector = true
