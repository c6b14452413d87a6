package admission

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHysteresis(t *testing.T) {
	cases := []struct {
		now      Level
		pressure float64
		want     Level
	}{
		{Normal, .59, Normal},
		{Normal, .60, Warning},
		{Normal, .80, Critical},
		{Normal, .95, Overloaded},
		{Warning, .51, Warning},
		{Warning, .49, Normal},
		{Warning, .79, Warning},
		{Critical, .71, Critical},
		{Critical, .69, Warning},
		{Critical, .55, Warning},
		{Critical, .49, Normal},
		{Overloaded, .86, Overloaded},
		{Overloaded, .84, Critical},
		{Overloaded, .72, Critical},
		{Overloaded, 0, Normal},
	}
	c := Config{}.withDefaults()
	for _, k := range cases {
		if got := c.next(k.now, k.pressure); got != k.want {
			t.Errorf("level %d at %.2f becomes %d, want %d", k.now, k.pressure, got, k.want)
		}
	}
}
