package suite

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

func nobodyLoad() Load {
	return Load{
		Name: "nobody", Title: "Nobody connected",
		About: "Publishing through an instance's handle while it has no clients: `internal/hub`, `BenchmarkPublishNobody`.",
		Columns: []Column{
			{Name: "time", Title: "time", Unit: Nanoseconds, Goals: atMost(epoll, 2)},
			{Name: "allocs", Title: "allocations", Goals: atMost(epoll, 0)},
		},
	}
}

// readNobody reads what go test printed, a sample for each line of the
// benchmark: name, number, "ns/op", "B/op" and "allocs/op", each after its value.
func readNobody(file string) ([]Sample, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var samples []Sample
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "BenchmarkPublishNobody") {
			continue
		}
		v := Values{}
		for i, unit := range fields {
			name, known := map[string]string{"ns/op": "time", "allocs/op": "allocs"}[unit]
			if !known {
				continue
			}
			if v[name], err = strconv.ParseFloat(fields[i-1], 64); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		samples = append(samples, Sample{Load: "nobody", Contender: epoll, Round: len(samples), Values: v})
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("%s: no BenchmarkPublishNobody in it", file)
	}
	return samples, nil
}
