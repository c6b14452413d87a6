package housetest

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// module is the path that go.mod gives the project.
const module = "github.com/engram-stream/engram"

// tree is the project's hand-written files, as the rules see them.
type tree struct {
	files fs.FS
	texts []text
	units []unit
}

// text is one hand-written file.
type text struct {
	path  string // with slashes, from the root
	bytes []byte
}

// unit is one Go file of the tree.
type unit struct {
	path, dir string
	test      bool
	foreign   bool // below a go.mod of its own
	ast       *ast.File
	imports   []string
}

// skipped are folders that hold nothing written by hand.
var skipped = []string{".git", ".cache", "bin", "node_modules", "testdata", "_gen", "__pycache__", "target", "dist", ".venv"}

// load reads a tree. Generated files, known by the usual header, stay out.
func load(files fs.FS) (*tree, error) {
	t := &tree{files: files}
	var foreign []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // somebody's temporary file
			}
			return err
		}
		if d.IsDir() {
			if slices.Contains(skipped, d.Name()) || name == "gen" {
				return fs.SkipDir
			}
			if name != "." {
				if _, err := fs.Stat(files, path.Join(name, "go.mod")); err == nil {
					foreign = append(foreign, name+"/")
				}
			}
			return nil
		}
		if !slices.Contains(written, path.Ext(name)) || !d.Type().IsRegular() {
			return nil
		}
		content, err := fs.ReadFile(files, name)
		if err != nil || generated(content) {
			return err
		}
		t.texts = append(t.texts, text{name, content})
		if path.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ParseComments)
		if err != nil {
			return err
		}
		u := unit{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), ast: parsed}
		u.foreign = slices.ContainsFunc(foreign, func(dir string) bool { return strings.HasPrefix(name, dir) })
		for _, spec := range parsed.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			u.imports = append(u.imports, target)
		}
		t.units = append(t.units, u)
		return nil
	})
	return t, err
}

// written are the endings of what people write here.
var written = []string{".go", ".s", ".proto", ".ts", ".tsx", ".js", ".mjs", ".css", ".html", ".py", ".rs", ".sh", ".md", ".yml", ".yaml"}

func generated(content []byte) bool {
	head := content[:min(len(content), 1024)]
	return bytes.Contains(head, []byte("Code generated ")) && bytes.Contains(head, []byte("DO NOT EDIT"))
}

// dirs lists the folders with Go files, in order, with their files.
func (t *tree) dirs() ([]string, map[string][]unit) {
	in := map[string][]unit{}
	for _, u := range t.units {
		in[u.dir] = append(in[u.dir], u)
	}
	var names []string
	for dir := range in {
		names = append(names, dir)
	}
	slices.Sort(names)
	return names, in
}

// house loads the project itself.
func house(t *testing.T) *tree {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil || !bytes.HasPrefix(mod, []byte("module "+module+"\n")) {
		t.Fatalf("%s is not the root of the project: %v", root, err)
	}
	tree, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.units) < 100 {
		t.Fatalf("only %d Go files found below %s", len(tree.units), root)
	}
	return tree
}
