package recallcheck

import (
	"strings"
	"testing"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

func TestReadCues(t *testing.T) {
	in := `{"engram_export":1,"space":"notes","generation":7}
"where is the kettle"

[0.5, -1, 2e3]
{"content":"the keys"}
  {"id":"a","content":"x","embedding":{"values":[1,2]},"generation":3}
{"id":"b","embedding":{"packed":{"data":"AACAPwAAAEA=","encoding":"VECTOR_ENCODING_F32_LE"}}}
{"engram_export_end":3}`
	cues, err := ReadCues("asked", strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name, text string
		dim        int
	}{{"asked:2", "where is the kettle", 0}, {"asked:4", "", 3}, {"asked:5", "the keys", 0}, {"asked:6", "", 2}, {"asked:7", "", 2}}
	if len(cues) != len(want) {
		t.Fatalf("%d cues, want %d", len(cues), len(want))
	}
	for i, w := range want {
		var r v1.RecallRequest
		cues[i].Cue(&r)
		if dim := len(r.GetEmbedding().GetPacked().GetData()) / 4; cues[i].Name != w.name || r.GetText() != w.text || dim != w.dim {
			t.Errorf("cue %d is %s: %q, %d dimensions; want %+v", i, cues[i].Name, r.GetText(), dim, w)
		}
	}
}

func TestReadCuesErrors(t *testing.T) {
	for in, says := range map[string]string{
		"\n{\"id\":\"a\"}":                       "f:2: the observation has neither",
		`[1, "x"]`:                               "f:1: not a vector",
		`[]`:                                     "f:1: the vector is empty",
		`""`:                                     "f:1: the text is empty",
		`"half`:                                  "f:1: not a text",
		`kettle`:                                 "f:1: a line is a text",
		`{"embedding":{"values":"x"}}`:           "f:1: ",
		`[1e999]`:                                "f:1: not a vector",
		strings.Repeat("[1]\n", MaxCues) + "[1]": "f:10001: more than 10000",
	} {
		if _, err := ReadCues("f", strings.NewReader(in)); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%.20q: %v, want %q", in, err, says)
		}
	}
	if cues, err := ReadCues("f", strings.NewReader("\n\n")); err != nil || len(cues) != 0 {
		t.Errorf("nothing: %v, %v", cues, err)
	}
}

func FuzzReadCues(f *testing.F) {
	for _, s := range []string{`"text"`, `[1,2]`, `{"content":"x"}`, `{"engram_export":1}`, `{"embedding":{"packed":{"data":"AACAPw==","encoding":"VECTOR_ENCODING_F32_LE"}}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		cues, err := ReadCues("f", strings.NewReader(in))
		if err != nil && cues != nil {
			t.Fatal("cues came with the error")
		}
		for _, c := range cues {
			var r v1.RecallRequest
			if c.Cue(&r); r.Cue == nil {
				t.Fatalf("%s asks for nothing", c.Name)
			}
		}
	})
}
