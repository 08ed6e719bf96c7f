//go:build !nomlxlm

package mlxlm

import (
	"io"
	"strings"
	"sync"
)

// tail keeps the last bytes that were written.
type tail struct {
	forward io.Writer // gets everything; may be nil

	mu   sync.Mutex
	last []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	if extra := len(t.last) - tailBytes; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	if t.forward != nil {
		_, _ = t.forward.Write(b) // a failing copy must not stop the child
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.last), ""))
}
