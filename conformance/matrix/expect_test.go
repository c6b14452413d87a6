package matrix

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// differences compares what was expected with what was said, field by field.
func differences(path string, want, got any) (out []string) {
	if list, isList := want.([]any); isList {
		have, said := got.([]any)
		if !said || len(have) != len(list) {
			return unequal(path, want, got)
		}
		for i := range list {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), list[i], have[i])...)
		}
		return out
	}
	m, isObject := want.(map[string]any)
	if !isObject {
		return unequal(path, want, got)
	}
	for key := range m {
		if key[0] == '$' {
			return matches(path, m, got)
		}
	}
	g, ok := got.(map[string]any)
	if !ok {
		return unequal(path, want, got)
	}
	for _, key := range keys(m, g) {
		w, expected := m[key]
		have, said := g[key]
		switch {
		case !expected:
			out = append(out, fmt.Sprintf("%s.%s = %v was not expected", path, key, have))
		case !said:
			out = append(out, fmt.Sprintf("%s.%s is missing; want %v", path, key, w))
		default:
			out = append(out, differences(path+"."+key, w, have)...)
		}
	}
	return out
}

func keys(maps ...map[string]any) (out []string) {
	for _, m := range maps {
		for k := range m {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}

func unequal(path string, want, got any) []string {
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return []string{fmt.Sprintf("%s = %s, want %s", path, short(got), short(want))}
}

// short keeps long lists from filling the screen.
func short(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}

// matches holds a value to what stands in place of one.
func matches(path string, m map[string]any, got any) []string {
	if n, ok := m["$numbered"].([]any); ok {
		list := []any{}
		for i := n[1].(float64); i <= n[2].(float64); i++ {
			if text, named := n[0].(string); named {
				list = append(list, text+strconv.Itoa(int(i)))
			} else {
				list = append(list, i)
			}
		}
		return unequal(path, list, got)
	}
	if has, ok := m["$has"].([]any); ok {
		list, _ := got.([]any)
		for _, v := range has {
			if !slices.ContainsFunc(list, func(x any) bool { return reflect.DeepEqual(x, v) }) {
				return []string{fmt.Sprintf("%s = %s, want %v among them", path, short(got), v)}
			}
		}
		return nil
	}
	if m["$any"] == true || m["$same"] == true {
		return nil
	}
	n, isNumber := got.(float64)
	least, bounded := m["$min"].(float64)
	most, limited := m["$max"].(float64)
	if !isNumber || bounded && n < least || limited && n > most {
		return []string{fmt.Sprintf("%s = %v, want a number within %v", path, got, m)}
	}
	return nil
}

// disagreements compares two SDKs in everything that may not vary between them.
func disagreements(path string, want, a, b any) (out []string) {
	if list, isList := want.([]any); isList {
		x, isX := a.([]any)
		y, isY := b.([]any)
		if isX && isY && len(x) == len(list) && len(y) == len(list) {
			for i := range list {
				out = append(out, disagreements(fmt.Sprintf("%s[%d]", path, i), list[i], x[i], y[i])...)
			}
			return out
		}
	}
	m, isObject := want.(map[string]any)
	if !isObject {
		return unequal(path, a, b)
	}
	for _, vague := range []string{"$any", "$min", "$max", "$has"} {
		if _, varies := m[vague]; varies {
			return nil
		}
	}
	x, isX := a.(map[string]any)
	y, isY := b.(map[string]any)
	if !isX || !isY {
		return unequal(path, a, b)
	}
	for _, key := range keys(x, y) {
		out = append(out, disagreements(path+"."+key, m[key], x[key], y[key])...)
	}
	return out
}
