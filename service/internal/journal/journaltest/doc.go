// Package journaltest is the test suite that every implementation of
// journal.Journal has to pass. It is imported by tests only, and belongs to
// the floor of package journal.
package journaltest
