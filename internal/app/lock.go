package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folderLock keeps a second gateway off the same data folder. The system frees
// it when the process dies, however it dies.
type folderLock struct {
	path string
	file *os.File
}

func newFolderLock(data string) *folderLock {
	return &folderLock{path: filepath.Join(data, "lock")}
}

// Start takes the lock or says who has it.
func (l *folderLock) Start(context.Context) error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("the data folder %s is in use by another chasqui", filepath.Dir(l.path)), f.Close())
	}
	l.file = f
	return nil
}

// Stop frees the lock.
func (l *folderLock) Stop(context.Context) error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
