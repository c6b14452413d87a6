package housetest

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	fence      = regexp.MustCompile("(?ms)^ {0,3}(```|~~~).*?(^ {0,3}(```|~~~)[ \t]*$|\\z)")
	inlineCode = regexp.MustCompile("`[^`\n]+`")
	link       = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	definition = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?`)
	attribute  = regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$`)
	anchor     = regexp.MustCompile(`<a\s+(?:id|name)="([^"]+)"`)
	markup     = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
)

// dead finds relative links in Markdown, and anchors in them, that lead
// nowhere. Other hosts are not asked.
func dead(t *tree) (broken []string) {
	docs := map[string]string{}
	for _, f := range t.texts {
		if path.Ext(f.path) == ".md" {
			docs[f.path] = fence.ReplaceAllString(string(f.bytes), "")
		}
	}
	for _, f := range t.texts {
		body, ok := docs[f.path]
		if !ok {
			continue
		}
		for _, target := range links(body) {
			if why := follow(t, docs, f.path, target); why != "" {
				broken = append(broken, fmt.Sprintf("%s: link to %s: %s", f.path, target, why))
			}
		}
	}
	return broken
}

// links lists the targets in a document without its code blocks.
func links(body string) (targets []string) {
	body = inlineCode.ReplaceAllString(body, "code")
	for _, pattern := range []*regexp.Regexp{link, definition, attribute} {
		for _, m := range pattern.FindAllStringSubmatch(body, -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// follow says why a link leads nowhere, or nothing.
func follow(t *tree, docs map[string]string, from, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	to := from
	if u.Path != "" {
		if strings.HasPrefix(u.Path, "/") {
			return "it is absolute"
		}
		to = path.Join(path.Dir(from), u.Path)
		if to == ".." || strings.HasPrefix(to, "../") {
			return "it leads out of the project"
		}
		if _, err := fs.Stat(t.files, to); err != nil {
			return "no such file"
		}
	}
	if body, ok := docs[to]; ok && u.Fragment != "" && !anchors(body)[u.Fragment] {
		return "no such heading"
	}
	return ""
}

// anchors are the names under which a document's headings can be linked to, as
// GitHub makes them.
func anchors(body string) map[string]bool {
	names, seen := map[string]bool{}, map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(body, -1) {
		name := slug(m[1])
		if n := seen[name]; n > 0 {
			names[fmt.Sprintf("%s-%d", name, n)] = true
		} else {
			names[name] = true
		}
		seen[name]++
	}
	for _, m := range anchor.FindAllStringSubmatch(body, -1) {
		names[m[1]] = true
	}
	return names
}

func slug(title string) string {
	title = markup.ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}
