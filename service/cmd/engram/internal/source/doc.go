// Package source reads what the observe verb is given, piece by piece: text
// and Markdown files, lines, JSON lines, NumPy arrays and raw vectors. It
// holds one piece in memory at a time, and gives each piece an id derived from
// where it stands and what it says, so that reading a file again adds nothing.
//
// It belongs to the client side of the engram command and knows neither the
// server nor the SDK.
package source
