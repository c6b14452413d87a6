package source

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Text reads paragraphs: runs of lines between empty ones. In Markdown,
// headings are not pieces of their own but go with what follows, and a fenced
// block stays whole.
func Text(name string, r io.Reader, markdown bool) Pieces {
	return func(yield func(Piece, error) bool) {
		p := paragraphs{name: name, markdown: markdown, yield: yield, repeats: newRepeats()}
		lines := newLines(r)
		for n := 1; ; n++ {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				yield(Piece{}, err)
				return
			}
			if !p.line(n, line) {
				return
			}
		}
		p.flush()
	}
}

// paragraphs collects lines into pieces.
type paragraphs struct {
	name     string
	markdown bool
	yield    func(Piece, error) bool
	repeats  *repeats

	text     strings.Builder
	start    int
	fence    string   // what closes the block that is open
	headings []string // by level
}

func (p *paragraphs) line(n int, line string) bool {
	trimmed := strings.TrimSpace(line)
	if p.fence != "" {
		if strings.HasPrefix(trimmed, p.fence) {
			p.fence = ""
		}
		return p.add(n, line)
	}
	if p.markdown {
		if level := headingLevel(line); level > 0 {
			ok := p.flush()
			p.headings = append(p.headings[:min(level-1, len(p.headings))], strings.TrimSpace(strings.Trim(trimmed, "#")))
			return ok
		}
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			p.fence = trimmed[:3]
			return p.add(n, line)
		}
	}
	if trimmed == "" {
		return p.flush()
	}
	if p.markdown && isItem(line) && !p.flush() {
		return false
	}
	return p.add(n, line)
}

// isItem reports whether a line begins an item of an outer list: items say
// different things, and are found better apart.
func isItem(line string) bool {
	return len(line) > 2 && (line[0] == '-' || line[0] == '*') && line[1] == ' '
}

// headingLevel is the level of an ATX heading, 0 for another line.
func headingLevel(line string) int {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	if level == 0 || level > 6 || (len(line) > level && line[level] != ' ') {
		return 0
	}
	return level
}

func (p *paragraphs) add(n int, line string) bool {
	if p.text.Len()+len(line) > MaxPiece && p.text.Len() > 0 && !p.flush() {
		return false
	}
	if p.text.Len() == 0 {
		p.start = n
	} else {
		p.text.WriteByte('\n')
	}
	p.text.WriteString(line)
	return true
}

// flush yields what was collected. A line longer than a piece is cut between
// characters.
func (p *paragraphs) flush() bool {
	text := strings.TrimSpace(strings.ToValidUTF8(p.text.String(), "\uFFFD"))
	p.text.Reset()
	for text != "" {
		part := text
		if len(part) > MaxPiece {
			cut := MaxPiece
			for cut > 0 && !utf8.RuneStart(part[cut]) {
				cut--
			}
			part = part[:cut]
		}
		text = strings.TrimSpace(text[len(part):])
		heading := strings.Join(p.headings, " › ")
		if !hasWord(part) {
			continue
		}
		if !p.yield(Piece{ID: p.repeats.id(p.name, heading, part, p.start), Text: part, Source: p.name, Line: p.start, Heading: heading}, nil) {
			return false
		}
	}
	return true
}

// hasWord is false for rules, table lines and the like, which say nothing.
func hasWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 127
	}) >= 0
}

// Lines reads a piece per line that is not empty.
func Lines(name string, r io.Reader) Pieces {
	return func(yield func(Piece, error) bool) {
		lines, seen := newLines(r), newRepeats()
		for n := 1; ; n++ {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Piece{}, err)
				return
			}
			text := strings.TrimSpace(strings.ToValidUTF8(line, "\uFFFD"))
			if text != "" && !yield(Piece{ID: seen.id(name, "", text, n), Text: text, Source: name, Line: n}, nil) {
				return
			}
		}
	}
}

// lines reads lines of bounded length.
type lines struct{ s *bufio.Scanner }

func newLines(r io.Reader) lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), MaxLine)
	return lines{s}
}

func (l lines) next() (string, error) {
	if l.s.Scan() {
		return l.s.Text(), nil
	}
	if err := l.s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return "", ErrTooLong
	} else if err != nil {
		return "", err
	}
	return "", io.EOF
}
