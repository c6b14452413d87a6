// Package config holds every setting of the server in one struct.
//
// A value comes from the first of these that has one: a flag, an environment
// variable (ENGRAM_…), the YAML file, the profile, the default. The names
// follow from one another: queue.high in the file is --queue-high as a flag and
// ENGRAM_QUEUE_HIGH in the environment. Unknown keys in the file and unknown
// ENGRAM_ variables are errors, for a misspelt limit is no limit.
//
// It is read once, before anything else is built; the server hands the parts to
// the packages that need them. There are no secrets in it: the key of an
// embedding endpoint is named (a variable or a file), never held.
//
// Floor F1. It imports fault.
package config

//go:generate go test -run TestReference -update .
