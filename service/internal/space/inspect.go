package space

import (
	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
)

// ManifestInfo is what a manifest says of a space, for those who look at a
// checkpoint without opening it.
type ManifestInfo struct {
	Space       memory.SpaceID
	Incarnation memory.Incarnation
	Generation  memory.Generation
	Through     uint64 // the journal position of the last frame that is in it
	Rows        int
	Live        int64
	Refs        []checkpoint.Ref // every section the space needs
}

// InspectManifest reads a manifest, as it lies in its section.
func InspectManifest(b []byte) (ManifestInfo, error) {
	m, err := decodeManifest(b)
	if err != nil {
		return ManifestInfo{}, err
	}
	info := ManifestInfo{
		Space: m.Settings.ID, Incarnation: m.Settings.Incarnation, Generation: m.Generation, Through: m.Through, Rows: m.Rows, Live: m.Live,
	}
	m.refs(func(r checkpoint.Ref) { info.Refs = append(info.Refs, r) })
	return info, nil
}
