// Package lifecycletest owns the one stress test that every Service passes.
package lifecycletest
