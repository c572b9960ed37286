// Package docs_test checks what the documents say against the tree.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryDirectDependencyHasAReason: docs/dependencies.md and go.mod name the
// same modules.
func TestEveryDirectDependencyHasAReason(t *testing.T) {
	direct, _, _ := strings.Cut(read(t, "go.mod"), "// indirect")
	var required, explained []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(direct, -1) {
		required = append(required, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z0-9.]+\.[a-z]+/\S+|[a-z]+\.[a-z]+/\S+) \|`).FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		explained = append(explained, m[1])
	}
	for _, m := range required {
		if !slices.Contains(explained, m) {
			t.Errorf("%s is required but not explained in docs/dependencies.md", m)
		}
	}
	for _, m := range explained {
		if !slices.Contains(required, m) {
			t.Errorf("%s is explained in docs/dependencies.md but not required", m)
		}
	}
}

// TestLinksLeadSomewhere: relative links of the documents name files that exist.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", filepath.Base(page), m[1], err)
			}
		}
	}
}

// TestArchitectureNamesEveryPackage: docs/architecture.md lists each folder of
// internal.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text := read(t, "docs/architecture.md")
	entries, err := os.ReadDir(filepath.Join(root, "internal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.Contains(text, "internal/"+e.Name()+"`") {
			t.Errorf("docs/architecture.md does not name internal/%s", e.Name())
		}
	}
	for _, m := range regexp.MustCompile("`(internal/[a-z/]+\\.go)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("docs/architecture.md sends readers to %s: %v", m[1], err)
		}
	}
}
