package e2e_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// provenBy is a test in docs/contract/tests.md: package, test and case.
var provenBy = regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)(?:/([^`]+))?`")

// TestContractTableNamesRealTests: every line of docs/contract/tests.md has a
// test, and every test and case that it names exists.
func TestContractTableNamesRealTests(t *testing.T) {
	table, err := os.ReadFile("../../docs/contract/tests.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.SplitSeq(string(table), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| line ") {
			continue
		}
		lines++
		tests := line[strings.LastIndex(line, " | "):]
		named := provenBy.FindAllStringSubmatch(tests, -1)
		if len(named) == 0 || len(named) != strings.Count(tests, "`")/2 {
			t.Errorf("no test, or one that is no name of a test: %s", line)
		}
		for _, n := range named {
			if problem := find(n[1], n[2], n[3]); problem != nil {
				t.Errorf("%s: %v", n[0], problem)
			}
		}
	}
	if lines < 100 {
		t.Errorf("%d lines: the table was not read", lines)
	}
}

// find looks for a test, and for its case: a golden file, or a name in quotes or
// between dashes somewhere in the package or in the suite that it shares.
func find(pkg, test, name string) error {
	dir := "../../internal/" + pkg
	switch pkg {
	case "waconv":
		dir = "../../internal/wa/waconv"
	case "e2e", "crash", "script", "clients", "soak":
		dir = "../" + pkg
	}
	if !mentioned(dir, "_test.go", "func "+test+"(t *testing.T)") {
		return errors.New("there is no such test")
	}
	if name == "" || mentioned(dir, ".go", `"`+name+`"`) || mentioned(dir, ".txtar", "-- "+name+" --") {
		return nil
	}
	_, err := os.Stat(filepath.Join(dir, "testdata", name+".txtar"))
	return err
}

// mentioned reports whether a file of that ending under dir holds the text.
func mentioned(dir, ending, text string) bool {
	found := errors.New("found")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ending) {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(content), text) {
			return found
		}
		return err
	})
	return errors.Is(err, found)
}
