package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func collect(t *testing.T, p Pieces) (out []Piece, failed error) {
	t.Helper()
	for piece, err := range p {
		if err != nil {
			return out, err
		}
		out = append(out, piece)
	}
	return out, nil
}

func TestMarkdown(t *testing.T) {
	const doc = "# Title\n\nFirst paragraph,\ntwo lines.\n\n## Part\n\n```go\na := 1\n\nb := 2\n```\n\n---\n\nLast.\n# Other\nEnd"
	got, err := collect(t, Text("doc.md", strings.NewReader(doc), true))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"3 Title: First paragraph,\ntwo lines.", "8 Title › Part: ```go\na := 1\n\nb := 2\n```", "16 Title › Part: Last.", "18 Other: End",
	}
	if len(got) != len(want) {
		t.Fatalf("%d pieces: %+v", len(got), got)
	}
	ids := map[string]bool{}
	for i, p := range got {
		if s := fmt.Sprintf("%d %s: %s", p.Line, p.Heading, p.Text); s != want[i] {
			t.Errorf("piece %d is %q, want %q", i, s, want[i])
		}
		ids[p.ID] = true
	}
	if len(ids) != len(want) {
		t.Errorf("%d ids for %d pieces", len(ids), len(want))
	}
	again, _ := collect(t, Text("doc.md", strings.NewReader(doc), true))
	if again[2].ID != got[2].ID {
		t.Error("reading again gave another id")
	}
}

func TestLongParagraphsAreCut(t *testing.T) {
	long := strings.Repeat("ä", 3*MaxPiece/2)
	got, err := collect(t, Text("x", strings.NewReader(long), false))
	if err != nil || len(got) < 3 {
		t.Fatalf("%d pieces, %v", len(got), err)
	}
	joined := ""
	for _, p := range got {
		if len(p.Text) > MaxPiece {
			t.Errorf("a piece of %d bytes", len(p.Text))
		}
		joined += p.Text
	}
	if joined != long {
		t.Error("text was lost or broken")
	}
	if _, err := collect(t, Lines("x", strings.NewReader(strings.Repeat("x", MaxLine+1)))); !errors.Is(err, ErrTooLong) {
		t.Errorf("a line that is too long: %v", err)
	}
}

func TestJSONL(t *testing.T) {
	got, err := collect(t, JSONL("x.jsonl", strings.NewReader("{\"id\":\"a\",\"content\":\"one\"}\n\n{\"content\":\"two\"}\n")))
	if err != nil || len(got) != 2 || got[0].ID != "a" || got[1].ID == "" || got[1].Line != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := collect(t, JSONL("x.jsonl", strings.NewReader("{}\nnot json"))); err == nil || !strings.Contains(err.Error(), "x.jsonl:2") {
		t.Fatalf("bad line: %v", err)
	}
}

func TestEqualTextsAreToldApart(t *testing.T) {
	const log = "a\nb\na\na\n"
	got, err := collect(t, Lines("x.log", strings.NewReader(log)))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := collect(t, Lines("x.log", strings.NewReader("new\n"+log)))
	ids := map[string]bool{}
	for i, p := range got {
		ids[p.ID] = true
		if again[i+1].ID != p.ID {
			t.Errorf("line %d has another id when the file has grown", i+1)
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d ids for 4 lines", len(ids))
	}
}

func npy(version byte, header string, data []byte) []byte {
	b := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), data...)
}

func TestNPY(t *testing.T) {
	f32 := []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64}
	f16 := []byte{0, 60, 0, 64, 0, 66, 0, 68}
	for _, c := range []struct {
		name string
		file []byte
	}{
		{"f4 v1", npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", f32)},
		{"f2 v2", npy(2, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }", f16)},
	} {
		got, err := collect(t, NPY("x.npy", bytes.NewReader(c.file)))
		if err != nil || len(got) != 2 || fmt.Sprint(got[0].Vector, got[1].Vector) != "[1 2] [3 4]" {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for name, file := range map[string][]byte{
		"magic":   []byte("not numpy at all"),
		"ints":    npy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }", f32),
		"fortran": npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", f32),
		"1-d":     npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", f32),
		"short":   npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", f32),
		"wide":    npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 99999), }", f32),
	} {
		if _, err := collect(t, NPY("x.npy", bytes.NewReader(file))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.md": "# A\n\nalpha", "b.txt": "beta\n\ngamma", ".hidden.md": "no", "c.png": "no", "sub/d.jsonl": `{"content":"delta"}`} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Expand([]string{dir, "-"})
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	got, err := collect(t, Files(files, Options{Stdin: strings.NewReader("one\n\ntwo")}))
	if err != nil || len(got) != 6 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := collect(t, Files([]string{filepath.Join(dir, "none.md")}, Options{})); !os.IsNotExist(err) {
		t.Fatalf("a missing file: %v", err)
	}
}

func FuzzNPY(f *testing.F) {
	f.Add(npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", make([]byte, 16)))
	f.Add([]byte("\x93NUMPY\x01\x00\xff\xff"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		n := 0
		for _, err := range NPY("x", bytes.NewReader(b)) {
			if n++; err != nil || n > 1000 {
				break
			}
		}
	})
}
