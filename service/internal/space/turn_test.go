package space

import (
	"testing"
	"testing/synctest"
	"time"
)

// One has it at a time, also while the holder sleeps on a made-up clock.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, n := newTurn(), 0
		for range 3 {
			go func() {
				mine.Lock()
				defer mine.Unlock()
				before := n
				time.Sleep(20 * time.Microsecond)
				n = before + 1
			}()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		mine.Lock()
		defer mine.Unlock()
		if n != 3 {
			t.Errorf("%d of 3 had their turn undisturbed", n)
		}
	})
}
