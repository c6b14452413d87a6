package housetest

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"

	"github.com/engram-stream/engram/service/internal/telemetry"
)

const lifePage = "docs/life-of-an-observation.md"

var (
	stageTable = regexp.MustCompile("(?m)^\\| *stage *\\|.*\n\\|[-| :]+\n((?:\\|.*\n)+)")
	stageRow   = regexp.MustCompile("(?m)^\\|\\s*[*`]*([a-z]+)[*`]*\\s*\\|")
)

// strayed finds differences between the stages of the code and those of the
// page that explains them.
func strayed(t *tree) []string {
	page, err := fs.ReadFile(t.files, lifePage)
	if err != nil {
		return []string{err.Error()}
	}
	table := stageTable.FindSubmatch(page)
	if table == nil {
		return []string{lifePage + " has no table of stages"}
	}
	var told, real []string
	for _, m := range stageRow.FindAllSubmatch(table[1], -1) {
		told = append(told, string(m[1]))
	}
	for s := range telemetry.Stage(telemetry.StageCount) {
		real = append(real, s.String())
	}
	if !slices.Equal(told, real) {
		return []string{fmt.Sprintf("%s names the stages %v, the code %v", lifePage, told, real)}
	}
	return nil
}
