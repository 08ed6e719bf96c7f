//go:build cgo && !noopencl

package opencl

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// With one processor, a goroutine that was started runs when the turn comes by the scheduler, and not before.
func TestTurnComesByTheScheduler(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range []struct {
		name  string
		calls int
		since time.Duration
		want  bool
	}{
		{"many calls, long since", turnMinCalls, turnEvery, true},
		{"many calls, just now", turnMinCalls, -time.Hour, false},
		{"few calls, long since", turnMinCalls - 1, turnEvery, false},
	} {
		var ran atomic.Bool
		turn := turn{last: time.Now().Add(-c.since), calls: c.calls - 1}
		runtime.Gosched() // a slice of time of its own
		go ran.Store(true)
		turn.beforeCall()
		if got := ran.Load(); got != c.want {
			t.Errorf("%s: another goroutine ran: %v, want %v", c.name, got, c.want)
		}
		runtime.Gosched()
	}
}
