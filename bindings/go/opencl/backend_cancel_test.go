//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"libinference.dev/inference"
	"libinference.dev/inference/opencl"
)

// works reports whether the model still gives what it should.
func works(t *testing.T, m inference.TextModel) {
	t.Helper()
	g := loadGolden(t).Generate[0]
	if ids, _ := collect(t, m, m.Generate(background, g.Prompt, inference.WithMaxTokens(8))); !slices.Equal(ids, g.IDs[:8]) {
		t.Errorf("afterwards: %v", ids)
	}
}

func TestCancel_Good(t *testing.T) {
	m := sharedText(t)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	n := 0
	for range m.Generate(ctx, "The quick brown fox", inference.WithMaxTokens(400)) {
		if n++; n == 5 {
			cancel()
		}
	}
	if n != 5 || m.Err() != context.Canceled {
		t.Errorf("%d tokens, %v", n, m.Err())
	}
	for range m.Chat(ctx, []inference.Message{{Role: "user", Content: "Hi"}}) {
		t.Error("the context has ended")
	}
	if m.Err() != context.Canceled {
		t.Error(m.Err())
	}
	works(t, m)
	for range m.Generate(background, "The quick brown fox") {
		break
	}
	if m.Err() != nil {
		t.Errorf("after a loop that was left: %v", m.Err())
	}
	works(t, m)
}

func TestPanic_Ugly_InTheLoop(t *testing.T) {
	m := sharedText(t)
	for range 3 { // a slot that stayed taken would stop the second round
		func() {
			defer func() {
				if got := recover(); got != "mine" {
					t.Errorf("recovered %v", got)
				}
			}()
			for range m.Generate(background, "The quick brown fox") {
				panic("mine")
			}
		}()
	}
	works(t, m)
}

func TestCancel_Ugly_ThousandStreamsLeaveNothing(t *testing.T) {
	m := sharedText(t)
	active := func() uint64 {
		runtime.GC()
		return m.(interface{ ActiveMemory() uint64 }).ActiveMemory()
	}
	cancelOne := func(i int) {
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		for range m.Generate(ctx, "The quick brown fox", inference.WithMaxTokens(100)) {
			if i%2 == 0 {
				break
			}
			cancel()
		}
		if err := m.Err(); i%2 == 0 && err != nil || i%2 != 0 && err != context.Canceled {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		cancelOne(i)
	}
	goroutines, bytes := runtime.NumGoroutine(), active()
	for i := range 1000 {
		cancelOne(i)
	}
	if now := active(); now != bytes {
		t.Errorf("%d bytes of device memory, %d before", now, bytes)
	}
	deadline := time.Now().Add(10 * time.Second) // goroutines that are about to end
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	works(t, m)
}

func TestSlots_Good_Together(t *testing.T) {
	m := loadText(t, inference.WithParallelSlots(2))
	var group, met sync.WaitGroup
	met.Add(2)
	for range 2 {
		group.Add(1)
		go func() {
			defer group.Done()
			n := 0
			for range m.Generate(background, "The quick brown fox", inference.WithMaxTokens(4)) {
				if n++; n == 1 {
					met.Done()
					met.Wait() // for the other's first token: for ever, if they came one after the other
				}
			}
			if n != 4 {
				t.Errorf("%d tokens, %v", n, m.Err())
			}
		}()
	}
	group.Wait()
}

func TestSlots_Good_OneAfterTheOther(t *testing.T) {
	for _, slots := range []int{0, 1} {
		m := loadText(t, inference.WithParallelSlots(slots))
		var running atomic.Int32
		var group sync.WaitGroup
		for range 3 {
			group.Add(1)
			go func() {
				defer group.Done()
				n := 0
				for range m.Generate(background, "The quick brown fox", inference.WithMaxTokens(4)) {
					if n++; n == 1 && running.Add(1) != 1 {
						t.Error("two at once")
					}
					time.Sleep(2 * time.Millisecond)
					if n == 4 {
						running.Add(-1)
					}
				}
				if n != 4 {
					t.Errorf("%d tokens, %v", n, m.Err())
				}
			}()
		}
		group.Wait()
	}
}

func TestSlots_Ugly_WaitingEndsWithTheContext(t *testing.T) {
	m := sharedText(t)
	for range m.Generate(background, "The quick brown fox", inference.WithMaxTokens(3)) {
		ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
		if _, err := m.Classify(ctx, []string{"a"}); err != context.DeadlineExceeded {
			t.Error(err)
		}
		cancel()
	}
	if m.Err() != nil {
		t.Error(m.Err())
	}
}

func TestClose_Ugly(t *testing.T) {
	m := loadText(t)
	n := 0
	for range m.Generate(background, "The quick brown fox", inference.WithMaxTokens(400)) {
		n++
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	const closed = "opencl: model is closed"
	if n != 1 || m.Err() == nil || m.Err().Error() != closed {
		t.Errorf("%d tokens, %v", n, m.Err())
	}
	for range m.Generate(background, "x") {
		t.Error("a token of a closed model")
	}
	if m.Err() == nil || m.Err().Error() != closed {
		t.Error(m.Err())
	}
	if _, err := m.Classify(background, []string{"x"}); err == nil || err.Error() != closed {
		t.Error(err)
	}
	if _, err := m.BatchGenerate(background, []string{"x"}); err == nil || err.Error() != closed {
		t.Error(err)
	}
	if err := m.Close(); err != nil || m.ModelType() != "llama" {
		t.Errorf("%v, %q", err, m.ModelType())
	}
}

func TestClose_Ugly_Concurrently(t *testing.T) {
	m := loadText(t, inference.WithParallelSlots(4))
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for m.Err() == nil {
				for range m.Generate(background, "The quick brown fox", inference.WithMaxTokens(400)) {
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	m.Close()
	group.Wait()
	if err := m.Err(); err == nil || err.Error() != "opencl: model is closed" && !errors.Is(err, opencl.ErrContextFull) {
		t.Error(err)
	}
}
