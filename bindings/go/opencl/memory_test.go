//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"libinference.dev/inference/opencl"
)

func TestMemoryIsCountedAndLimited(t *testing.T) {
	runtime, err := opencl.NewRuntime(opencl.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close()
	ctx := context.Background()
	first, err := runtime.Memory(0)
	if err != nil || first.Active != 0 || first.Limit == 0 || first.CacheLimit == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if old, err := runtime.SetMemoryLimit(0, 1000); err != nil || old != first.Limit {
		t.Errorf("the earlier limit is %d, want %d (%v)", old, first.Limit, err)
	}
	path := filepath.Join(tinyFolder, "model")
	_, err = runtime.LoadModel(ctx, path, opencl.LoadConfig{})
	if !errors.Is(err, opencl.ErrOOMDevice) || !strings.Contains(err.Error(), "limit 1000") {
		t.Errorf("error is %v, want ErrOOMDevice with the limit", err)
	}
	if old, err := runtime.SetMemoryLimit(0, opencl.NoLimit); err != nil || old != 1000 {
		t.Errorf("the earlier limit is %d, want 1000 (%v)", old, err)
	}
	if old, err := runtime.SetCacheLimit(0, 0); err != nil || old != first.CacheLimit {
		t.Errorf("the earlier limit is %d, want %d (%v)", old, first.CacheLimit, err)
	}
	model, err := runtime.LoadModel(ctx, path, opencl.LoadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := runtime.MetricsJSON()
	if err != nil {
		t.Fatal(err)
	}
	var metrics struct {
		Models []struct{ Architecture string }
	}
	if err := json.Unmarshal([]byte(text), &metrics); err != nil || len(metrics.Models) != 1 ||
		metrics.Models[0].Architecture != "llama" {
		t.Errorf("%s: %v", text, err)
	}
	model.Close()
	if err := errors.Join(runtime.TrimMemory(0), runtime.ResetPeakMemory(0)); err != nil {
		t.Error(err)
	}
	want := opencl.Memory{Limit: opencl.NoLimit}
	if last, err := runtime.Memory(0); err != nil || last != want {
		t.Errorf("%+v, want %+v (%v)", last, want, err)
	}
	if _, err := runtime.Memory(99); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("error is %v, want ErrArgument", err)
	}
}
