package machine

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Description is what a reader needs to judge figures.
type Description struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"` // bytes
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Files  uint64 `json:"files"` // how many files a process may open
}

// Describe looks at this machine. What cannot be read stays empty.
func Describe() Description {
	d := Description{Cores: runtime.NumCPU(), Go: runtime.Version(), Files: RaiseFileLimit()}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(info), "model name\t: ")
		d.CPU, _, _ = strings.Cut(rest, "\n")
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		if total, err := kibibytes(string(info), "MemTotal:"); err == nil {
			d.Memory = total
		}
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		d.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	return d
}

// RaiseFileLimit lets this process and its children open as many files as they
// may, and returns how many that is; 0 if it cannot be known.
func RaiseFileLimit() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	highest := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &highest) != nil {
		return limit.Cur
	}
	return highest.Cur
}

// Jiffies is CPU time of the whole machine since it started.
type Jiffies struct{ Total, Steal uint64 }

// ReadJiffies reads /proc/stat (proc(5)); zero if it cannot be read.
func ReadJiffies() Jiffies {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Jiffies{}
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var j Jiffies
	const steal, guest = 8, 9 // columns; what guests had is in user time already
	for i, field := range strings.Fields(line)[1:] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil || i+1 >= guest {
			break
		}
		j.Total += n
		if i+1 == steal {
			j.Steal = n
		}
	}
	return j
}

// Since is the share of the machine's CPU time that the hypervisor gave to
// others, from 0 to 1.
func (j Jiffies) Since(before Jiffies) float64 {
	if j.Total <= before.Total {
		return 0
	}
	return float64(j.Steal-before.Steal) / float64(j.Total-before.Total)
}
