package machine

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// MostQueued is the most bytes that a socket of the server at address (host:port,
// IPv4) has in its send buffer, not taken by the client's system
// (proc_net_tcp(5), tx_queue).
func MostQueued(address string) (int64, error) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, err
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	local := fmt.Sprintf(":%04X", port)
	var most int64
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasSuffix(fields[1], local) {
			continue
		}
		queue, _, _ := strings.Cut(fields[4], ":")
		n, err := strconv.ParseInt(queue, 16, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/net/tcp: %w", err)
		}
		most = max(most, n)
	}
	return most, nil
}
