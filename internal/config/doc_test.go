package config_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chasqui/chasqui/internal/config"
)

var update = flag.Bool("update", false, "write the reference of options again")

const reference = "../../docs/configuration.md"

// TestReferenceIsFresh compares docs/configuration.md with the options; run
// with -update (make generate) after changing one.
func TestReferenceIsFresh(t *testing.T) {
	want := "# Configuration\n\nEvery option is a flag, an environment variable and a key of `chasqui.yaml`, in that order of\n" +
		"strength. Unknown keys are errors. Durations read `30s`, `2h`, `90d`; sizes `512KiB`, `16MiB`; lists use commas.\n" +
		"`chasqui config print` shows the values in force and where each comes from. This page is generated.\n\n" +
		config.Markdown(config.Describe(config.Options{}, config.Sandbox{}))
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/configuration.md is stale; run make generate (-want +got):\n%s", diff)
	}
}
