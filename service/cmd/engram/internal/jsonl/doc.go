// Package jsonl is the file format of the export and import verbs: an
// observation a line, in the JSON form of the contract, beside what the space
// says of it. The first line is a [Header] with the settings of the space, the
// last an [End] that tells a whole file from one that was cut short; both may
// be missing, so that files can be written by hand:
//
//	{"engram_export":1,"space":"notes","generation":7,…}
//	{"id":"a","content":"the keys hang by the door",…,"generation":3}
//	{"content":"written by hand"}
//	{"engram_export_end":2}
//
// It belongs to the client side of the engram command: before it comes the
// SDK's listing, after it a session of the SDK.
package jsonl
