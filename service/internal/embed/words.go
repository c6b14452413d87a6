package embed

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How features are weighed against each other, in units of no meaning. The
// numbers were chosen by ranking questions against statements (hashing_test.go
// holds a sample); the ranking is not sensitive to changes of a third.
const (
	wordWeight = 240
	// gramWeight is shared by the n-grams of a word: each gets it divided by
	// the square root of their number, which makes a word count the same
	// whether it is long or short, plus a little for being long (and so rare).
	gramWeight = 300

	minGram      = 3
	maxGram      = 5
	maxWordRunes = 64 // longer ones are cut into pieces

	wordStart = '\u0002' // stand for the boundaries of a word inside n-grams;
	wordEnd   = '\u0003' // control characters never are part of one
)

// fill counts the features of text.
func (s *sketch) fill(text string) {
	s.reset()
	if len(text) > MaxTextBytes {
		cut := MaxTextBytes
		for cut > MaxTextBytes-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut-- // not inside a character
		}
		text = text[:cut]
	}
	if isASCII(text) {
		for i := range len(text) {
			s.rune(rune(text[i]))
		}
	} else {
		s.text = norm.NFKC.AppendString(s.text[:0], text)
		// Normalisation may lengthen a text (one character to 18, at worst).
		for b := s.text[:min(len(s.text), 2*MaxTextBytes)]; len(b) > 0; {
			r, size := utf8.DecodeRune(b)
			b = b[size:]
			s.rune(r)
		}
	}
	s.endWord()
	if len(s.order) == 0 {
		s.fillRaw(text)
	}
}

// fillRaw counts the runes of a text without words, and pairs of them, as they
// stand: "?!" and "!?" are different, and so are two emoji.
func (s *sketch) fillRaw(text string) {
	previous := rune(wordStart)
	for _, r := range text {
		one := mix(seedRaw, uint64(r))
		s.count(finish(one, 1), wordWeight)
		s.count(finish(mix(mix(seedRaw, uint64(previous)), uint64(r)), 2), wordWeight)
		previous = r
	}
}

// rune takes the next character of the normalised text.
func (s *sketch) rune(r rune) {
	switch {
	case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
	case 'A' <= r && r <= 'Z':
		r += 'a' - 'A'
	case r == '\'' || r == '’':
		return // "don't" is one word, and "kettle's" near to "kettle"
	case r < utf8.RuneSelf || (!unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)):
		s.endWord()
		return
	default:
		r = unicode.ToLower(r)
	}
	if len(s.word) == maxWordRunes {
		s.endWord()
	}
	s.word = append(s.word, r)
}

// endWord counts the word that was read and the n-grams in it.
func (s *sketch) endWord() {
	w := s.word
	if len(w) == 0 {
		return
	}
	s.word = w[:0]

	h := seedWord
	dense := false
	for _, r := range w {
		h = mix(h, uint64(r))
		dense = dense || isDense(r)
	}
	scale := salience(w)
	if dense {
		s.countDense(w, scale)
		return
	}
	s.count(finish(h, 0), wordWeight*scale/fullSalience)

	// Characters of the word with its boundaries are numbered −1..len(w).
	var grams int
	padded := len(w) + 2
	for n := minGram; n <= maxGram; n++ {
		grams += max(0, padded-n+1)
	}
	if grams == 0 {
		return
	}
	weight := gramWeight * scale / fullSalience * 256 / rootOf(grams)
	for start := -1; start <= len(w)-(minGram-1); start++ {
		h := seedGram
		for n := 1; n <= maxGram && start+n <= len(w)+1; n++ {
			h = mix(h, uint64(at(w, start+n-1)))
			if n >= minGram {
				s.count(finish(h, uint64(n)), weight)
			}
		}
	}
}

// countDense handles scripts written without spaces, where one or two
// characters make a word: each character and each pair is a feature.
func (s *sketch) countDense(w []rune, scale uint32) {
	weight := wordWeight * scale / fullSalience
	for i, r := range w {
		one := mix(seedGram, uint64(r))
		s.count(finish(one, 1), weight/2)
		if i+1 < len(w) {
			s.count(finish(mix(one, uint64(w[i+1])), 2), weight)
		}
	}
}

func at(w []rune, i int) rune {
	switch {
	case i < 0:
		return wordStart
	case i >= len(w):
		return wordEnd
	}
	return w[i]
}

func isDense(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// rootOf is 256·√n, rounded down, by Newton's method on integers.
func rootOf(n int) uint32 {
	target := uint64(n) << 16
	x := target
	for {
		y := (x + target/x) / 2
		if y >= x {
			return uint32(x)
		}
		x = y
	}
}

// Seeds keep the kinds of feature apart.
const (
	seedWord uint64 = 0x9E3779B97F4A7C15
	seedGram uint64 = 0xC2B2AE3D27D4EB4F
	seedRaw  uint64 = 0x165667B19E3779F9
)

// mix takes one character into a hash (the step of FNV-1a, over characters
// rather than bytes).
func mix(h, v uint64) uint64 { return (h ^ v) * 0x100000001B3 }

// finish spreads a hash over all its bits (the finaliser of SplitMix64, by
// Steele et al., OOPSLA 2014).
func finish(h, kind uint64) uint64 {
	h += kind * 0x9E3779B97F4A7C15
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}
