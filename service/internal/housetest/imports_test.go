package housetest

import (
	"fmt"
	"go/ast"
	"strings"
)

// floors are the packages of service/internal from the ground up. A package
// imports only what is on lower floors.
var floors = [][]string{
	{"memory", "fault", "clock", "vfs", "telemetry", "failpoint"},
	{"vector", "journal", "config", "checkpoint"},
	{"hnsw", "filter", "embed"},
	{"space", "queue"},
	{"session", "admission", "doctor"},
	{"worker"},
	{"engine"},
	{"rpc", "console"},
	{"server"},
}

const internal = module + "/service/internal/"

// floor finds a package of service/internal and says on which floor it is. A
// package for tests that stands within another (journal/journaltest) is on the
// floor above it, so to speak: it may import its parent.
func floor(rest string) (name string, number int, known bool) {
	name, sub, nested := strings.Cut(rest, "/")
	for n, packages := range floors {
		for _, p := range packages {
			if p == name {
				if nested && strings.HasSuffix(sub, "test") {
					return name + "/" + sub, n + 1, true
				}
				return name, n, true
			}
		}
	}
	return name, 0, false
}

// upward finds imports that do not lead down the floors. Tests may import what
// they need, as long as Go's own ban on cycles lets them.
func upward(t *tree) (broken []string) {
	for _, u := range t.units {
		rest, inside := strings.CutPrefix(u.dir, "service/internal/")
		if !inside || u.foreign || u.test {
			continue
		}
		from, at, known := floor(rest)
		if !known {
			if from != "housetest" {
				broken = append(broken, fmt.Sprintf("%s: package %s stands on no floor", u.path, from))
			}
			continue
		}
		for _, target := range u.imports {
			below, ok := strings.CutPrefix(target, internal)
			if !ok {
				continue
			}
			name, n, known := floor(below)
			if known && n < at && !strings.HasSuffix(name, "test") || name == from && below != rest {
				continue // a package may split itself into folders
			}
			broken = append(broken, fmt.Sprintf("%s: %s (floor %d) imports %s (floor %d)", u.path, from, at, name, n))
		}
	}
	return broken
}

// border keeps an import to some folders.
type border struct {
	target  string   // an import path, or the beginning of one
	allowed []string // folders
	outside string   // the folder the rule is about; empty: everywhere
	tests   bool     // holds for tests too
}

var borders = []border{
	{target: module + "/gen/", allowed: []string{"service/internal/rpc/", "sdk/go/", "conformance/"}},
	{target: module + "/service/", outside: "sdk/", tests: true},
	// The suite of Connect needs a service of its own behind the server's mux,
	// which engramtest lets in under a build tag.
	{target: module + "/service/", outside: "conformance/", allowed: []string{"conformance/connect/server/"}, tests: true},
	{target: module + "/sdk/", outside: "service/internal/"},
	{target: module + "/service/internal/housetest", tests: true},
	{target: "go.opentelemetry.io/otel/sdk", allowed: []string{"service/internal/server/"}},
	{target: "go.opentelemetry.io/otel/exporters", allowed: []string{"service/internal/server/"}},
}

// crossings finds imports across a border.
func crossings(t *tree) (broken []string) {
	for _, u := range t.units {
		dir := u.dir + "/"
		for _, b := range borders {
			if u.test && !b.tests || !strings.HasPrefix(dir, b.outside) || within(dir, b.allowed) {
				continue
			}
			for _, target := range u.imports {
				if strings.HasPrefix(target, b.target) {
					broken = append(broken, fmt.Sprintf("%s imports %s", u.path, target))
				}
			}
		}
	}
	return broken
}

// registries finds metrics set up outside of server.
func registries(t *tree) (broken []string) {
	for _, u := range t.units {
		if u.test || strings.HasPrefix(u.dir+"/", "service/internal/server/") {
			continue
		}
		ast.Inspect(u.ast, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, ok := selector.X.(*ast.Ident)
			if ok && of.Name == "prometheus" {
				switch selector.Sel.Name {
				case "NewRegistry", "NewPedanticRegistry", "DefaultRegisterer", "DefaultGatherer", "MustRegister":
					broken = append(broken, fmt.Sprintf("%s uses prometheus.%s: metrics are set up in server", u.path, selector.Sel.Name))
				}
			}
			return true
		})
	}
	return broken
}

func within(dir string, folders []string) bool {
	for _, f := range folders {
		if strings.HasPrefix(dir, f) {
			return true
		}
	}
	return false
}
