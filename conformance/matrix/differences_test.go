package matrix

import (
	"encoding/json"
	"testing"
)

func value(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// A comparison that finds nothing would let every SDK pass.
func TestDifferencesAreFound(t *testing.T) {
	for _, c := range []struct {
		want, got string
		count     int
	}{
		{`{"a": 1, "b": [1, "x"]}`, `{"b": [1, "x"], "a": 1}`, 0},
		{`{"a": 1, "b": 2}`, `{"a": 2, "c": 3}`, 3}, // one is wrong, one is missing, one was not expected
		{`{"ok": {}}`, `{"error": {"kind": "cancelled"}}`, 2},
		{`{"a": {"b": 1}}`, `{"a": []}`, 1},
		{`[1, 2]`, `[2, 1]`, 2},
		{`0`, `false`, 1},
		{`{"$any": true}`, `[1]`, 0},
		{`{"$same": true}`, `"x"`, 0},
		{`{"$min": 1, "$max": 3}`, `3`, 0},
		{`{"$min": 1}`, `0`, 1},
		{`{"$max": 3}`, `4`, 1},
		{`{"$min": 1}`, `"2"`, 1},
		{`{"$has": ["WARNING"]}`, `["ACTIVE", "WARNING"]`, 0},
		{`{"$has": ["WARNING"]}`, `["ACTIVE"]`, 1},
		{`{"$numbered": ["o-", 2, 4]}`, `["o-2", "o-3", "o-4"]`, 0},
		{`{"$numbered": ["o-", 2, 4]}`, `["o-2", "o-4"]`, 1},
		{`{"$numbered": [null, 1, 2]}`, `[1, 2]`, 0},
		{`{"$numbered": [null, 1, 0]}`, `[]`, 0},
	} {
		if found := differences("step", value(t, c.want), value(t, c.got)); len(found) != c.count {
			t.Errorf("%s against %s: %q, want %d", c.got, c.want, found, c.count)
		}
	}
}

func TestDisagreementsAreFound(t *testing.T) {
	for _, c := range []struct {
		want, one, other string
		count            int
	}{
		{`{"a": {"$same": true}}`, `{"a": [1]}`, `{"a": [1]}`, 0},
		{`{"a": {"$same": true}}`, `{"a": [1]}`, `{"a": [2]}`, 1},
		{`{"$same": true}`, `{"ok": {}}`, `{"error": {}}`, 2},
		{`{"a": {"$any": true}, "b": {"$min": 1}, "c": {"$has": []}}`, `{"a": 1, "b": 2, "c": [3]}`, `{"a": 4, "b": 5, "c": []}`, 0},
		{`{"a": {"$numbered": ["", 1, 2]}}`, `{"a": ["1"]}`, `{"a": ["2"]}`, 1},
	} {
		if found := disagreements("step", value(t, c.want), value(t, c.one), value(t, c.other)); len(found) != c.count {
			t.Errorf("%s and %s under %s: %q, want %d", c.one, c.other, c.want, found, c.count)
		}
	}
}
