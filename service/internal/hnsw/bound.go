package hnsw

// Bound is the highest row number that was ever in the graph, plus one; 0 for
// an empty graph.
func (g *Graph) Bound() uint64 { return g.bound.Load() }
