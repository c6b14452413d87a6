//go:build race

package space

// raceDetector allocates by itself: allocations are not counted under it.
const raceDetector = true
