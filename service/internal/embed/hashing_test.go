package embed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hashing(t testing.TB) *Hashing {
	t.Helper()
	h, err := NewHashing(0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func vector(h *Hashing, text string) []float32 {
	v := make([]float32, h.dimension)
	h.Vector(v, text)
	return v
}

func cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(aa*bb)
}

func checkUnit(t interface{ Fatalf(string, ...any) }, v []float32, text string) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if !(math.Abs(math.Sqrt(sum)-1) < 1e-5) {
		t.Fatalf("the vector of %.60q has length %v, want 1", text, math.Sqrt(sum))
	}
}

var statements = []string{
	"the kettle is in the red box",
	"the passports are in the upper drawer of the desk",
	"we agreed to paint the fence on Saturday",
	"the train to Leeds leaves at seven in the morning",
	"Maria is allergic to peanuts and walnuts",
	"the router was replaced because it kept dropping connections",
	"the red car is parked behind the station",
	"deployment failed: disk full on node 14",
	"the cat sleeps on the radiator when it is cold",
	"he prefers tea without sugar",
	"the invoice for March has not been paid",
	"the garden needs watering every second day in summer",
	"the box of Christmas decorations is in the attic",
	"the meeting with the architects moved to room 204",
	"the password policy requires sixteen characters",
	"she plays the cello in a quartet",
	"the bread recipe needs 500 grams of flour",
	"the database migration finished without errors",
	"their daughter starts school in September",
	"the bicycle has a flat tyre",
	"latency of the checkout service doubled after the release",
	"the landlord will repair the heating next week",
}

// TestRanking asks questions in words, forms and spellings other than the
// answer's. Each answer must be the first of all statements.
func TestRanking(t *testing.T) {
	h := hashing(t)
	for question, want := range map[string]int{
		"where is the kettle?":                            0,
		"where are the kettles":                           0,
		"KETTLE":                                          0,
		"where did we put our passports?":                 1,
		"when do we paint the fences":                     2,
		"when does the train to leeds leave?":             3,
		"what is maria allergic to":                       4,
		"is anyone alergic against peanut":                4,
		"why did we replace the router?":                  5,
		"which car is parked near the station?":           6,
		"why did the deployment fail":                     7,
		"where does the cat sleep?":                       8,
		"who wants sugar in the tea":                      9,
		"are there unpaid invoices":                       10,
		"how often must I water the garden?":              11,
		"where is the Christmas decoration":               12,
		"in which room do we meet the architects?":        13,
		"how many characters must passwords have?":        14,
		"does she play an instrument, a cello?":           15,
		"how much flour goes into the bread":              16,
		"did the migrations of the databases finish?":     17,
		"when does school start for the daughter":         18,
		"flat tire on the bicycle":                        19,
		"checkout latencies":                              20,
		"who repairs the heating":                         21,
		"node14 has a full disk":                          7,
		"the meeting is moved":                            13,
		"what's needed for the recipe?":                   16,
		"the dropped connections were the router's fault": 5,
	} {
		cue := vector(h, question)
		best, second, at := -2.0, -2.0, -1
		for i, s := range statements {
			switch c := cosine(cue, vector(h, s)); {
			case c > best:
				best, second, at = c, best, i
			case c > second:
				second = c
			}
		}
		if at != want {
			t.Errorf("%q finds %q (%.3f), want %q (%.3f)", question, statements[at], best,
				statements[want], cosine(cue, vector(h, statements[want])))
		} else {
			t.Logf("%.3f, next %.3f: %q", best, second, question)
		}
	}
}

func TestSimilarTextsAreCloser(t *testing.T) {
	h := hashing(t)
	for _, c := range []struct{ text, near, far string }{
		{"ﬁne ﬂour", "fine flour", "five floors up"},           // compatibility forms
		{"Café au lait", "CAFÉ AU LAIT", "cathedral of light"}, // case and composition
		{"Cafe\u0301", "Café", "Kaffee"},
		{"Straßenbahn fährt um acht", "Die Straßenbahnen fahren um acht Uhr", "Der Wasserkocher ist kaputt"},
		{"東京は日本の首都です", "日本の首都は東京", "猫が窓辺で眠っている"},
		{"привет мир", "Привет, мир!", "доброе утро"},
		{"🎉🎉", "🎉", "🚀"},
		{"reset_password_token", "reset password token", "refresh cache entry"},
	} {
		text := vector(h, c.text)
		if near, far := cosine(text, vector(h, c.near)), cosine(text, vector(h, c.far)); near <= far+0.1 {
			t.Errorf("%q: %.3f to %q, %.3f to %q", c.text, near, c.near, far, c.far)
		}
	}
}

// TestUnrelatedTextsAreFar bounds the noise of collisions: in 384 dimensions
// two texts without a common feature have a cosine near 1/√384 ≈ 0.05.
func TestUnrelatedTextsAreFar(t *testing.T) {
	h := hashing(t)
	var values []float64
	for i, a := range statements {
		for _, b := range statements[:i] {
			values = append(values, cosine(vector(h, a), vector(h, b)))
		}
	}
	sort.Float64s(values)
	if median := values[len(values)/2]; math.Abs(median) > 0.1 {
		t.Errorf("the median cosine of unrelated statements is %.3f", median)
	}
}

func TestVectorProperties(t *testing.T) {
	h := hashing(t)
	other, err := NewHashing(HashingDimension)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`([a-z]{1,12} ){0,40}`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "text")
		a, b := vector(h, text), vector(other, text)
		checkUnit(t, a, text)
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Fatalf("two embedders disagree about %q at %d: %v, %v", text, i, a[i], b[i])
			}
		}
	})
}

// TestLongText covers the cap (also in the middle of a character), the growth
// of the table, and that nothing of a long text stays in the scratch memory.
func TestLongText(t *testing.T) {
	h := hashing(t)
	before := vector(h, "the kettle")
	var long strings.Builder
	for i := 0; long.Len() < 2*MaxTextBytes; i++ {
		fmt.Fprintf(&long, "wört%d ", i)
	}
	text := long.String()
	checkUnit(t, vector(h, text), text)
	if c := cosine(vector(h, text), vector(h, text[:MaxTextBytes+1000])); c < 1-1e-9 {
		t.Errorf("text beyond the cap counts: cosine %v", c)
	}
	for shift := range 4 {
		s := strings.Repeat("a", shift) + strings.Repeat("𝔘", MaxTextBytes)
		checkUnit(t, vector(h, s), s)
	}
	checkUnit(t, vector(h, strings.Repeat("\uFDFA", MaxTextBytes/3)), "a text that normalisation makes longer")
	checkUnit(t, vector(h, strings.Repeat("x", MaxTextBytes)), "one long word")
	after := vector(h, "the kettle")
	for i := range before {
		if before[i] != after[i] {
			t.Fatal("a long text left something behind")
		}
	}
}

func TestEmbedBatch(t *testing.T) {
	h := hashing(t)
	got, err := h.Embed(context.Background(), statements)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range statements {
		if cosine(got[i], vector(h, s)) < 1-1e-9 || len(got[i]) != HashingDimension {
			t.Errorf("vector %d of a batch differs from that of the text alone", i)
		}
	}
	var f *fault.Error
	if _, err := h.Embed(context.Background(), []string{"a", ""}); !errors.As(err, &f) || f.Reason != fault.EmptyObservation {
		t.Errorf("an empty text gives %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Embed(ctx, statements); !errors.As(err, &f) || f.Code != fault.Canceled {
		t.Errorf("a canceled context gives %v", err)
	}
	for _, d := range []int{-1, 63, 4097} {
		if _, err := NewHashing(d); err == nil {
			t.Errorf("dimension %d is accepted", d)
		}
	}
}

// TestEach gives every observation of a batch its own outcome.
func TestEach(t *testing.T) {
	texts := []string{"a", "", "c", "d", "", "f"}
	vectors, errs := Each(context.Background(), hashing(t), texts)
	for i, text := range texts {
		if (vectors[i] == nil) != (text == "") || (errs[i] == nil) != (text != "") {
			t.Errorf("text %d (%q): vector %v, error %v", i, text, vectors[i] != nil, errs[i])
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	h := hashing(t)
	want := vector(h, statements[3])
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				vector(h, statements[i%len(statements)])
				if got := vector(h, statements[3]); cosine(got, want) < 1-1e-9 {
					t.Error("concurrent use changes a vector")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTermFrequencies(t *testing.T) {
	for n := 1; n < len(termFrequencies); n++ {
		if want := int64(math.Round(1024 * (1 + math.Log(float64(n))))); termFrequencies[n] != want {
			t.Errorf("termFrequencies[%d] = %d, want %d", n, termFrequencies[n], want)
		}
	}
}

const sentence = "The kettle that Maria bought in Leeds last September is in the red box behind the radiator, " +
	"and the box with the Christmas decorations went to the attic because nobody needed it before December, she said."

func TestVectorDoesNotAllocate(t *testing.T) {
	// Without the pool, which under the race detector drops things at random.
	s := newSketch(HashingDimension)
	v := make([]float32, HashingDimension)
	if n := testing.AllocsPerRun(100, func() { s.fill(sentence); s.write(v) }); n != 0 {
		t.Errorf("%v allocations per text", n)
	}
}

func BenchmarkVector(b *testing.B) {
	h := hashing(b)
	v := make([]float32, HashingDimension)
	b.SetBytes(int64(len(sentence)))
	b.ReportAllocs()
	for b.Loop() {
		h.Vector(v, sentence)
	}
}
