//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"libinference.dev/inference/opencl"
)

func newBatch(t testing.TB, model *opencl.Model, config opencl.BatchConfig) *opencl.Batch {
	t.Helper()
	batch, err := model.NewBatch(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { batch.Close() })
	return batch
}

// drain runs a batch to its end: tokens and last event of each request.
func drain(t testing.TB, batch *opencl.Batch) (map[uint64][]int32, map[uint64]opencl.BatchEvent) {
	t.Helper()
	ids, ends := map[uint64][]int32{}, map[uint64]opencl.BatchEvent{}
	for event, err := range batch.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Done {
			ends[event.ID] = event
		} else if event.Token.ID >= 0 {
			ids[event.ID] = append(ids[event.ID], event.Token.ID)
		}
	}
	return ids, ends
}

func TestBatchRequestsGiveWhatTheyGiveAlone(t *testing.T) {
	model, ctx := tinyModel(t), context.Background()
	batch := newBatch(t, model, opencl.BatchConfig{Slots: 3})
	want := map[uint64][]int32{}
	var result opencl.Result
	prefilled := uint64(0)
	for i, golden := range loadGolden(t).Generate {
		options := []opencl.GenerateOption{opencl.WithMaxTokens(len(golden.IDs)), opencl.WithIgnoreEnd()}
		if i == 0 {
			options = append(options, opencl.WithResult(&result),
				opencl.WithPrefill(func(done, total uint64) { prefilled = done }))
		}
		id, err := batch.Add(ctx, nil, opencl.Text(golden.Prompt), options...)
		if err != nil {
			t.Fatal(err)
		}
		want[id] = golden.IDs
	}
	got, ends := drain(t, batch)
	for id, ids := range want {
		if !slices.Equal(got[id], ids) {
			t.Errorf("request %d: ids are %v, want %v", id, got[id], ids)
		}
		if end := ends[id]; end.Err != nil || end.Result.Finish != opencl.FinishLength ||
			end.Result.GeneratedTokens != uint64(len(ids)) {
			t.Errorf("request %d: ended with %+v", id, end)
		}
	}
	if result.Finish != opencl.FinishLength || prefilled != result.PromptTokens {
		t.Errorf("WithResult got %+v, WithPrefill %d", result, prefilled)
	}
	for range batch.Events() {
		t.Error("an event of a batch without requests")
	}
}

// Requests join, leave and are cancelled inside the loop, with sessions of their own and of the caller's.
func TestBatchRequestsJoinAndLeave(t *testing.T) {
	model, golden := tinyModel(t), loadGolden(t)
	session := newSession(t, model)
	batch := newBatch(t, model, opencl.BatchConfig{})
	prompt := opencl.Tokens(golden.Prompts[0].IDs)
	long := []opencl.GenerateOption{opencl.WithMaxTokens(200), opencl.WithIgnoreEnd()}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	add := func(ctx context.Context, session *opencl.Session, opts ...opencl.GenerateOption) uint64 {
		id, err := batch.Add(ctx, session, prompt, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	cancelled := add(ctx, nil, long...)
	removed := add(context.Background(), session, long...)
	if _, err := batch.Add(ctx, session, prompt); !errors.Is(err, opencl.ErrState) {
		t.Errorf("a session in two requests: %v", err)
	}
	if err := session.Reset(); !errors.Is(err, opencl.ErrBusy) {
		t.Errorf("a session of a request that runs: %v", err)
	}
	var joined uint64
	counts := map[uint64]int{}
	for event, err := range batch.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if !event.Done && event.Token.ID < 0 {
			continue // text that was held back
		}
		counts[event.ID]++
		switch {
		case event.ID == removed && counts[removed] == 3:
			if err := batch.Remove(removed); err != nil {
				t.Fatal(err)
			}
			joined = add(context.Background(), nil, opencl.WithMaxTokens(5), opencl.WithIgnoreEnd())
			cancel()
		case event.Done && event.ID == cancelled:
			if !errors.Is(event.Err, opencl.ErrCancelled) || !errors.Is(event.Err, context.Canceled) {
				t.Errorf("a cancelled request ends with %v", event.Err)
			}
			if event.Result.Finish != opencl.FinishCancelled {
				t.Errorf("a cancelled request ends with %v", event.Result.Finish)
			}
		case event.Done && event.ID == joined:
			if event.Err != nil || event.Result.GeneratedTokens != 5 {
				t.Errorf("a request that joined ends with %+v", event)
			}
		}
	}
	if joined == 0 || counts[joined] != 6 || counts[removed] != 3 || counts[cancelled] == 0 {
		t.Errorf("events by request: %v", counts)
	}
	if err := batch.Remove(removed); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("a request that has left: %v", err)
	}
	if err := session.Reset(); err != nil {
		t.Errorf("a session whose request has left: %v", err)
	}
}

func TestBatchErrors(t *testing.T) {
	model := tinyModel(t)
	for _, config := range []opencl.BatchConfig{{Slots: 65}, {Slots: -1}, {StepTokens: 1 << 20}} {
		if _, err := model.NewBatch(config); !errors.Is(err, opencl.ErrArgument) {
			t.Errorf("%+v: %v", config, err)
		}
	}
	batch := newBatch(t, model, opencl.BatchConfig{})
	if _, err := batch.Add(context.Background(), nil, opencl.Tokens{-5}); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("a token that is none: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := batch.Add(ended, nil, opencl.Text("x")); !errors.Is(err, opencl.ErrCancelled) {
		t.Errorf("a context that has ended: %v", err)
	}
	closed := newSession(t, model)
	closed.Close()
	if _, err := batch.Add(context.Background(), closed, opencl.Text("x")); !errors.Is(err, opencl.ErrHandle) {
		t.Errorf("a closed session: %v", err)
	}
	batch.Close()
	for _, err := range batch.Events() {
		if err == nil {
			t.Error("an event of a closed batch")
		}
	}
}

// Batches that are left in the middle give back memory, cancel objects and goroutines.
func TestBatchLeavesNothingBehind(t *testing.T) {
	rt, err := opencl.NewRuntime(opencl.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	model, err := rt.LoadModel(context.Background(), filepath.Join(tinyFolder, "model"), opencl.LoadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	run := func() {
		batch := newBatch(t, model, opencl.BatchConfig{})
		defer batch.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for range 4 {
			if _, err := batch.Add(ctx, nil, opencl.Text("Once upon a time"), opencl.WithMaxTokens(50)); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for range batch.Events() {
			if n++; n == 12 {
				break
			}
		}
	}
	active := func() uint64 {
		memory, err := rt.Memory(0)
		if err != nil {
			t.Fatal(err)
		}
		return memory.Active
	}
	run()
	before, goroutines := active(), runtime.NumGoroutine()
	for range 20 {
		run()
	}
	if after := active(); after != before {
		t.Errorf("%d bytes are active, %d were before", after, before)
	}
	for range 100 { // goroutines of contexts end by themselves
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > goroutines {
		t.Errorf("%d goroutines, %d were before", after, goroutines)
	}
}

// Goroutines whose calls share steps, each with what it has alone.
func TestParallelSlots(t *testing.T) {
	rt, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tinyFolder, "model")
	config := opencl.LoadConfig{Options: map[string]any{"parallel_slots": 8}}
	model, err := rt.LoadModel(context.Background(), path, config)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	golden := loadGolden(t).Generate
	var wait sync.WaitGroup
	for i := range 8 {
		session, want := newSession(t, model), golden[i%len(golden)]
		wait.Add(1)
		go func() {
			defer wait.Done()
			ids, _ := answer(t, session, opencl.Text(want.Prompt), opencl.WithMaxTokens(len(want.IDs)),
				opencl.WithIgnoreEnd())
			if !slices.Equal(ids, want.IDs) {
				t.Errorf("%q: ids are %v, want %v", want.Prompt, ids, want.IDs)
			}
		}()
	}
	wait.Wait()
	config.Options["parallel_slots"] = 65
	if _, err := rt.LoadModel(context.Background(), path, config); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("65 slots: %v", err)
	}
}
