package space

// turn is a mutex that is held for long, and by some while they sleep: an index
// worker rests now and then with its table's. Who waits for it waits at a
// channel, so that testing/synctest sees a goroutine that is idle, and its clock
// goes on; a goroutine that waits for a sync.Mutex would stop that clock, and
// the holder would sleep for ever. It may be unlocked by another goroutine.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock waits until it is free and takes it.
func (t turn) Lock() { t <- struct{}{} }

// Unlock gives it back.
func (t turn) Unlock() { <-t }
