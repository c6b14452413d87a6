//go:build amd64 || arm64

package hnsw

// prefetch asks for 128 bytes from p on, a list of the default M, to be brought
// into the cache, and does not wait for them. It reads nothing: any address
// will do.
//
//go:noescape
func prefetch(p *uint32)
