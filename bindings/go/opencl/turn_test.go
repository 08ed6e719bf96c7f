//go:build cgo && !noopencl

package opencl

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestTurnIsDueAfterManyShortCalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration
		want  []int // calls before which it is due
	}{
		{"1 ms each", time.Millisecond, []int{4, 8}},
		{"0.5 ms each", time.Millisecond / 2, []int{8}},
		{"longer than a turn", turnEvery, nil},
		{"two a turn", turnEvery / 2, nil},
	} {
		now := time.Now()
		turn := turn{last: now}
		var due []int
		for call := 1; call <= 9; call++ {
			now = now.Add(c.every)
			if turn.isDue(now) {
				due = append(due, call)
			}
		}
		if !slices.Equal(due, c.want) {
			t.Errorf("%s: due before calls %v, want %v", c.name, due, c.want)
		}
	}
}

// With one processor, a goroutine that was started runs when the turn comes by the scheduler.
func TestTurnComesByTheScheduler(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ran atomic.Bool
	turn := turn{last: time.Now().Add(-turnEvery), calls: turnMinCalls}
	go ran.Store(true)
	turn.beforeCall()
	if !ran.Load() {
		t.Error("no other goroutine ran")
	}
}
