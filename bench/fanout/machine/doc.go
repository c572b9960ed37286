// Package machine is what the benchmark knows of the machine it runs on: its
// clock, its cores, the CPU time and memory of processes, and what the
// hypervisor takes away. Linux only.
package machine
