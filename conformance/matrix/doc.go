// Package matrix runs the same scripts through the SDKs of all languages, each
// against a real server behind a proxy that makes faults, and compares what they
// say field by field: see the README beside it. It speaks over the wire only.
package matrix
