// Package report writes what the benchmark measured as a page of tables and a
// plot. It computes medians and ratios and nothing else: the samples are in the
// results' JSON.
package report
