package vector

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkUnmarked holds the visited filter to its definition, for a list, the
// links that are marked already, and marks up to a highest.
func checkUnmarked(t *testing.T, list []uint32, marked map[uint32]bool, highest uint64) {
	t.Helper()
	marks := make([]uint64, MarkWords(highest))
	want := make([]uint64, len(marks))
	for link := range marked {
		if uint64(link) <= highest {
			marks[link/64] |= 1 << (link % 64)
		}
	}
	copy(want, marks)
	var rows []uint32
	seen := 0
	for _, link := range list {
		if int(link/64) >= len(marks) {
			break
		}
		seen++
		if link != 0 && want[link/64]>>(link%64)&1 == 0 {
			rows = append(rows, link-1)
			want[link/64] |= 1 << (link % 64)
		}
	}
	out := make([]uint32, len(list)+Spare+1)
	out[len(list)+Spare] = 12345
	found, done := UnmarkedLinks(list, marks, out[:len(list)+Spare])
	if done != seen || !slices.Equal(out[:found], rows) {
		t.Errorf("of %v: %v of the first %d, want %v of %d", list, out[:found], done, rows, seen)
	}
	if !slices.Equal(marks, want) {
		t.Errorf("of %v: marks %x, want %x", list, marks, want)
	}
	if out[len(list)+Spare] != 12345 {
		t.Error("written beyond what is spare")
	}
}

func TestUnmarkedLinks(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, highest := range []uint64{1, 63, 64, 500, 513, 100_000} {
			for n := range 70 {
				for _, free := range []float64{0, .3, 1} {
					list, marked := make([]uint32, n), map[uint32]bool{}
					for i := range list {
						if r.Float64() >= free {
							list[i] = r.Uint32N(uint32(highest)) + 1
						}
						if r.Float64() < .4 {
							marked[list[i]] = true
						}
					}
					checkUnmarked(t, list, marked, highest) // some are there twice
					if n > 0 && r.Float64() < .5 {
						list[r.IntN(n)] = uint32(highest) + 64*lanes + r.Uint32N(1<<20)
						checkUnmarked(t, list, marked, highest)
					}
				}
			}
		}
		checkUnmarked(t, []uint32{math.MaxUint32, 1}, nil, 1000)
		checkUnmarked(t, []uint32{1, math.MaxUint32 - 1}, nil, 1000)
	})
}

// checkBest ranks scores in parts of the given size, as a search does, and
// compares what is kept with all of them sorted.
func checkBest(t *testing.T, scores []float32, limit, part, closed int) {
	t.Helper()
	size, words := BestSize(limit)
	best, open := make([]uint64, size), make([]uint64, words)
	var all, out []uint64
	isOpen := map[uint64]bool{}
	n := 0
	for at := 0; at < len(scores); at += part {
		part := scores[at:min(at+part, len(scores))]
		rows := make([]uint32, len(part))
		var above []uint64
		for i, score := range part {
			rows[i] = uint32(at+i) * 0x9e3779b1
			k := KeyOf[uint64](score, rows[i])
			if isOpen[k] = true; k > best[limit-1] {
				above = append(above, k)
			}
			all = append(all, k)
		}
		out = slices.Grow(out[:0], len(rows)+Spare)
		found := KeysAbove(part, rows, best[limit-1], out[:len(rows)+Spare])
		if !slices.Equal(out[:found], above) {
			t.Fatalf("keys above %x of %v: %x, want %x", best[limit-1], part, out[:found], above)
		}
		n = InsertBest(best, open, n, limit, above)
		slices.Sort(all)
		slices.Reverse(all)
		if n != min(limit, len(all)) || !slices.Equal(best[:n], all[:n]) {
			t.Fatalf("best %d are %x, want %x", n, best[:n], all[:min(limit, len(all))])
		}
		for i, k := range best[:n] {
			if got := open[i/64]>>(i%64)&1 == 1; got != isOpen[k] {
				t.Fatalf("place %d of %d: open is %v", i, n, got)
			}
		}
		if n > 0 {
			i := closed % n
			open[i/64] &^= 1 << (i % 64)
			isOpen[best[i]] = false
		}
	}
}

// checkDropCloser holds DropCloser to its definition; the bases are the scores
// turned around.
func checkDropCloser(t *testing.T, scores []float32) {
	t.Helper()
	n := len(scores)
	keys, rows := make([]uint64, n+Spare+1), make([]uint32, n+Spare+1)
	keys[n+Spare], rows[n+Spare] = 12345, 12345
	var wantKeys []uint64
	var wantRows []uint32
	for i, score := range scores {
		base := scores[n-1-i]
		rows[i] = uint32(i) * 0x9e3779b1
		keys[i] = KeyOf[uint64](base, rows[i])
		if score != score {
			score = float32(math.Inf(-1))
		}
		if base != base {
			base = float32(math.Inf(-1))
		}
		if closer := score > base || score == 0 && base == 0 && !math.Signbit(float64(score)) && math.Signbit(float64(base)); !closer {
			wantKeys, wantRows = append(wantKeys, keys[i]), append(wantRows, rows[i])
		}
	}
	left := DropCloser(scores, keys, rows)
	if !slices.Equal(keys[:left], wantKeys) || !slices.Equal(rows[:left], wantRows) {
		t.Errorf("of %v: %x and %x are left, want %x and %x", scores, keys[:left], rows[:left], wantKeys, wantRows)
	}
	if keys[n+Spare] != 12345 || rows[n+Spare] != 12345 {
		t.Error("written beyond what is spare")
	}
}

// checkLinear holds linear to the form in plain Go, which may round once less
// where products and sums are fused.
func checkLinear(t *testing.T, sums []int32, a, b float64) {
	t.Helper()
	got, want := make([]float32, len(sums)+1), make([]float32, len(sums))
	got[len(sums)] = 12345
	linear(sums, a, b, got[:len(sums)])
	linearPortable(sums, a, b, want)
	if !slices.Equal(got[:len(sums)], want) || got[len(sums)] != 12345 {
		t.Errorf("%g·%v + %g: %v, want %v", a, sums, b, got, want)
	}
}

func TestSignLinear(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 1))
		for n := range 70 {
			sums, terms := make([]int32, n), make([]SignTerms, n)
			for i := range sums {
				sums[i] = int32(r.IntN(1<<18)) - 1<<17
				terms[i] = SignTerms{float32(r.NormFloat64()), float32(r.NormFloat64())}
				if r.IntN(8) == 0 {
					terms[i] = SignTerms{math.MaxFloat32, -math.MaxFloat32}
				}
			}
			l := &signLine{int32(r.IntN(1<<18)) - 1<<17, float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64())}
			got, want := make([]float32, n+1), make([]float32, n)
			got[n] = 12345
			signLinear(sums, terms, l, got[:n])
			signLinearPortable(sums, terms, l, want)
			if !slices.Equal(got[:n], want) || got[n] != 12345 {
				t.Errorf("%d sums: %v, want %v", n, got, want)
			}
		}
	})
}

func TestAtLeast(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 1))
		for n := range 70 {
			for range 20 {
				scores := make([]float32, n+1)
				for i := range scores {
					scores[i] = float32(r.NormFloat64()) - 2
					if special := []float32{-inf, -1, 0, nan, inf}; r.IntN(40) == 0 {
						scores[i] = special[r.IntN(len(special))]
					}
				}
				scores[n] = inf // beyond what it is shown
				for _, floor := range []float32{-inf, -1, 0, 1, inf, nan} {
					if got, want := AtLeast(scores[:n], floor), atLeastPortable(scores[:n], floor); got != want {
						t.Fatalf("%v, floor %v: %d, want %d", scores[:n], floor, got, want)
					}
				}
			}
		}
	})
}

func TestLinear(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for n := range 70 {
			sums := make([]int32, n)
			for i := range sums {
				sums[i] = int32(r.Uint32()) >> r.IntN(32)
			}
			checkLinear(t, sums, -r.Float64()/float64(int(1)<<r.IntN(20)), 1)
			checkLinear(t, sums, -r.Float64(), r.NormFloat64())
		}
	})
}

// awkward are scores that are easily ranked wrong. Negative zero is below zero.
var awkward = []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), -float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
	math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 1, -1}

func TestBest(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, limit := range []int{1, 2, 7, 8, 9, 63, 64, 65, 100, 127, 128, 129, 300} {
			for part := 1; part < 50; part += 1 + part/4 {
				scores := make([]float32, r.IntN(3*limit+20))
				for i := range scores {
					if scores[i] = r.Float32() - .5; r.IntN(8) == 0 {
						scores[i] = awkward[r.IntN(len(awkward))]
					}
				}
				checkBest(t, scores, limit, part, r.IntN(limit))
				checkDropCloser(t, scores)
			}
		}
	})
}

func FuzzWalkKernels(f *testing.F) {
	f.Add(uint8(20), uint8(3), uint16(100), []byte("numbers that are links, and scores as well"))
	f.Add(uint8(64), uint8(16), uint16(2000), make([]byte, 300))
	f.Fuzz(func(t *testing.T, limit, part uint8, highest uint16, data []byte) {
		data = data[:min(len(data), 4096)]
		list, scores := make([]uint32, len(data)/2), make([]float32, len(data)/4)
		for i := range list {
			list[i] = uint32(binary.LittleEndian.Uint16(data[2*i:]))
		}
		DecodeF32LE(scores, data[:4*len(scores)])
		half := len(list) / 2
		marked := map[uint32]bool{}
		for _, link := range list[:half] {
			marked[link] = true
		}
		withEachKernels(t, func(t *testing.T) {
			checkUnmarked(t, list[half:], marked, uint64(highest))
			checkBest(t, scores, 1+int(limit), 1+int(part), int(part)*7)
			checkDropCloser(t, scores)
			sums := make([]int32, len(list))
			for i, x := range list {
				sums[i] = int32(x) << (limit % 17)
			}
			checkLinear(t, sums, -1/float64(1+part), 1)
		})
	})
}
