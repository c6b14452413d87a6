// Package embed turns text into vectors.
//
// In the life of an observation it comes after admission and before the queue,
// and only when a client sent text without a vector: the vector made here is
// what gets journaled, so replay after a crash never embeds again. Recall uses
// it for the cue when that is text.
//
// Two kinds exist. [Hashing] is built in, needs no model and no network, and
// compares spelling: words and their pieces. It finds "kettles" for "kettle",
// and tolerates typing errors; it does not know that a kettle boils water, nor
// that a "Wasserkocher" is one. [OpenAI] asks any endpoint that speaks the
// OpenAI embeddings protocol, and is as good as the model behind it.
//
// The identity of an embedder (kind, model, dimension) is fixed per space when
// the space is created: vectors of different embedders cannot be compared.
//
// Floor F2. It may import fault and failpoint.
package embed
