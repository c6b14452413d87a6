package housetest

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// maxLines is how long a file may be. Prose may be longer.
const maxLines = 500

// long finds files that want to be split.
func long(t *tree) (broken []string) {
	for _, f := range t.texts {
		if path.Ext(f.path) == ".md" {
			continue
		}
		if n := bytes.Count(f.bytes, []byte("\n")); n > maxLines {
			broken = append(broken, fmt.Sprintf("%s has %d lines, of at most %d", f.path, n, maxLines))
		}
	}
	return broken
}

// nameless are names that say nothing of what a package is for.
var nameless = []string{"util", "utils", "common", "helper", "helpers", "base", "misc", "lib"}

// undescribed finds packages without a package comment (in doc.go, but for
// commands, whose main.go does) and packages with an empty name.
func undescribed(t *tree) (broken []string) {
	dirs, in := t.dirs()
	for _, dir := range dirs {
		var described, code bool
		where := "doc.go"
		for _, u := range in[dir] {
			name := u.ast.Name.Name
			if slices.Contains(nameless, strings.TrimSuffix(name, "_test")) {
				broken = append(broken, fmt.Sprintf("%s: package %s says nothing by its name", u.path, name))
			}
			if u.test {
				continue
			}
			code = true
			if name == "main" {
				where = "main.go"
			}
			described = described || path.Base(u.path) == where && u.ast.Doc != nil
		}
		if code && !described {
			broken = append(broken, fmt.Sprintf("%s: the package has no comment in %s", dir, where))
		}
	}
	return broken
}

// leaky finds packages whose tests would not notice a goroutine left behind.
func leaky(t *tree) (broken []string) {
	dirs, in := t.dirs()
	for _, dir := range dirs {
		tests, watched := false, false
		for _, u := range in[dir] {
			if !u.test {
				continue
			}
			for _, d := range u.ast.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil {
					continue
				}
				tests = tests || strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")
				watched = watched || f.Name.Name == "TestMain" && callsGoleak(f)
			}
		}
		if tests && !watched {
			broken = append(broken, fmt.Sprintf("%s: no TestMain calls goleak", dir))
		}
	}
	return broken
}

func callsGoleak(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if ok {
			of, isName := s.X.(*ast.Ident)
			found = found || isName && of.Name == "goleak"
		}
		return !found
	})
	return found
}
