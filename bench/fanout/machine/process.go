package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the user and system time of this process so far.
func CPU() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// StartOn starts the command on one core only. A child takes over the cores of
// the thread that makes it, so this thread goes there for that moment.
func StartOn(core int, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("cores of this process: %w", err)
	}
	only.Set(core)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("core %d: %w", core, err)
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); back != nil && err == nil {
		return fmt.Errorf("back to all cores: %w", back)
	}
	return err
}

// Cores lists the cores that this process may use.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cores []int
	for i := 0; len(cores) < set.Count(); i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// Memory is what a process holds in bytes: now, and at most since ForgetPeak.
type Memory struct{ Resident, Peak int64 }

// MemoryOf reads the memory of a process (proc(5), VmRSS and VmHWM).
func MemoryOf(pid int) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	resident, err1 := kibibytes(string(status), "VmRSS:")
	peak, err2 := kibibytes(string(status), "VmHWM:")
	if err1 != nil || err2 != nil {
		return Memory{}, fmt.Errorf("memory of process %d: %w, %w", pid, err1, err2)
	}
	return Memory{Resident: resident, Peak: peak}, nil
}

// ForgetPeak makes a process's peak begin again (proc(5), clear_refs).
func ForgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200)
}

// kibibytes reads a line "name: 123 kB" as bytes.
func kibibytes(status, name string) (int64, error) {
	_, rest, _ := strings.Cut(status, name)
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
	return n << 10, err
}
