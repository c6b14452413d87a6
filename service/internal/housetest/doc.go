// Package housetest holds the rules of the house that no compiler knows: which
// package may import which, who may touch the wire and the set-up of telemetry,
// how long a file may be, what every package owes its readers and its tests,
// that the documentation names the stages as the code does, and that its links
// lead somewhere.
//
// It has tests only. Each rule is a function of a tree of files that returns
// what breaks it; one test runs all rules on this project, another shows on
// small made-up trees that each rule catches what it is for.
//
// It belongs to no floor, imports telemetry for the names of the stages, and
// nothing may import it.
package housetest
