package memory

import "fmt"

// Metric is how a space compares two embeddings.
type Metric uint8

// The metrics a space can be created with. The zero value is not a metric, so
// that a forgotten field is noticed.
const (
	MetricUnspecified Metric = iota
	MetricCosine             // similarity = cos(a, b), in −1..1
	MetricDot                // similarity = a·b, unbounded
	MetricEuclidean          // similarity = 1 / (1 + ‖a−b‖), in 0..1
)

// String gives the metric's name as the wire and the logs print it.
func (m Metric) String() string {
	switch m {
	case MetricUnspecified:
		return "unspecified"
	case MetricCosine:
		return "cosine"
	case MetricDot:
		return "dot"
	case MetricEuclidean:
		return "euclidean"
	}
	return fmt.Sprintf("metric(%d)", uint8(m))
}
