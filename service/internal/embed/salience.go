package embed

// fullSalience is the weight of a word that says something.
const fullSalience = 16

// salience is how much a word counts, 1..fullSalience: function words of
// English say little about what a text is about, and neither do words of one
// or two letters in any language. Numbers count in full.
func salience(w []rune) uint32 {
	// A word that is only digits is a name or a quantity, however short.
	if w[0] >= '0' && w[0] <= '9' {
		return fullSalience
	}
	if len(w) <= maxFunctionWord {
		var buf [maxFunctionWord]byte
		for i, r := range w {
			if r < 'a' || r > 'z' {
				return fullSalience
			}
			buf[i] = byte(r)
		}
		if _, ok := functionWords[string(buf[:len(w)])]; ok {
			return 2
		}
		if len(w) <= 2 {
			return fullSalience / 2
		}
	}
	return fullSalience
}

const maxFunctionWord = 7

// functionWords are the closed classes of English (articles, pronouns,
// prepositions, conjunctions, auxiliaries, question words), and contractions
// with the apostrophe taken out. Negations are not among them.
var functionWords = set(
	"a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could",
	"did", "do", "does", "doing", "for", "from", "had", "has", "have", "having", "he", "her", "hers", "him", "his",
	"how", "i", "if", "im", "in", "into", "is", "it", "its", "ive", "me", "might", "my", "of", "on", "or", "our",
	"ours", "shall", "she", "should", "so", "some", "such", "than", "that", "thats", "the", "their", "them", "then",
	"there", "these", "they", "this", "those", "to", "us", "was", "we", "were", "what", "whats", "when", "where",
	"which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your", "yours",
)

func set(words ...string) map[string]struct{} {
	m := make(map[string]struct{}, len(words))
	for _, w := range words {
		m[w] = struct{}{}
	}
	return m
}
