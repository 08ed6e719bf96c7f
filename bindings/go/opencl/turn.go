//go:build cgo && !noopencl

package opencl

import (
	"runtime"
	"time"
)

// turn makes a loop over calls of the library one that Go's scheduler sees going on. From a goroutine that has not
// come by its scheduler for 10 ms, Go takes the processor in every call into C of more than 20 us, and having it
// back costs some 5 to 20 us each time (runtime.retake in Go's proc.go). Coming by costs as much where it wakes
// another thread, so it is for calls of which many fit between two turns.
type turn struct {
	last  time.Time
	calls int
}

const (
	turnEvery    = 4 * time.Millisecond
	turnMinCalls = 4
)

// beforeCall takes its turn if it is due.
func (t *turn) beforeCall() {
	if t.isDue(time.Now()) {
		runtime.Gosched()
	}
}

// isDue counts a call and says whether the scheduler's turn comes before it.
func (t *turn) isDue(now time.Time) bool {
	t.calls++
	if now.Sub(t.last) < turnEvery {
		return false
	}
	many := t.calls >= turnMinCalls
	*t = turn{last: now}
	return many
}
