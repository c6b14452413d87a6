// Package clock is time as an interface, so that what a server writes down
// (commit times, expiry, retention) can be tested with a clock that is set by
// hand.
//
// It stands on the ground floor (F0) and imports nothing of the project. It
// only tells the time: timers use package time, and tests of timers run in a
// testing/synctest bubble.
package clock
