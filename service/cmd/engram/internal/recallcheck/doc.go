// Package recallcheck measures how much of what is there recalls of a live
// space find: it has the same cues answered with and without the graph, at one
// generation, and compares.
//
//	cues := recallcheck.Sample(…) or recallcheck.ReadCues(…)
//	report := recallcheck.Run(ctx, plan, cues, ask)
//
// Recall@k of a cue is the share of the k nearest rows that its answer holds
// (Aumüller et al., ANN-Benchmarks, 2020). Rows that are as similar as the k-th
// are as good as the k-th: which of them an exact search returns is chance.
//
// It belongs to the client side of the engram command: before it come the
// rows of a space, or a file of cues; after it a table for a person, or JSON.
// It knows the SDK's types, and a server only by the functions it is handed.
package recallcheck
