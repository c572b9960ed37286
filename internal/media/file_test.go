package media_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chasqui/chasqui/internal/media"
)

// Who finds the budget spent waits, no longer than its context.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := media.NewBudget(10)
		if err := b.Acquire(t.Context(), 100); err != nil { // counts as the whole
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Acquire(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire of a spent budget: %v", err)
		}
		b.Release(100)
		for range 10 {
			if err := b.Acquire(t.Context(), 1); err != nil {
				t.Error(err)
			}
		}
	})
}

// Several readers of one file are independent of each other.
func TestFileReaders(t *testing.T) {
	file := media.NewFile(bytes.NewReader([]byte("jpeg and more")), 4, nil)
	defer file.Close()
	first, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	var b [2]byte
	if _, err := io.ReadFull(first, b[:]); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != "jpeg" {
		t.Errorf("the second reads %q", got)
	}
	rest, err := io.ReadAll(first)
	if err != nil || string(rest) != "eg" {
		t.Errorf("the first goes on with %q, %v", rest, err)
	}
}
