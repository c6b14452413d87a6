// Package failpoint lets a test build fail on purpose: at named places in the
// life of an observation the code calls [Hit], which may panic, stall or
// return an error.
//
// Without the build tag "failpoints" Hit is an empty function that the
// compiler removes, and nothing can be switched on. With the tag, the variable
// ENGRAM_FAILPOINTS is read at start:
//
//	ENGRAM_FAILPOINTS="worker.batch=panic@3;journal.sync=error(disk gone)@10;embed.call=delay(200ms)"
//
// The grammar:
//
//	config = point { ";" point }
//	point  = name "=" spec
//	spec   = action [ "(" argument ")" ] [ "@" when ]
//	action = "panic" | "error" | "delay" | "off"
//	when   = n | "every:" n | "times:" n
//
// The argument of panic and error is their text, that of delay a duration of
// at most [MaxDelay]. "@n" acts on the n-th hit only, "@every:n" on each n-th,
// "@times:n" on the first n; without it every hit acts. The names are those
// in the table of names.go, and an unknown one is an error, so that a typo
// cannot make a test pass.
//
// It stands on the ground floor (F0) and imports nothing of the project.
package failpoint
