//go:build cgo && !noopencl

package opencl_test

import (
	"errors"
	"testing"

	"libinference.dev/inference/opencl"
)

func TestEstimate(t *testing.T) {
	runtime, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	path := tinyFolder + "/model"
	fit, err := runtime.Estimate(path, map[string]any{"n_ctx": 128})
	if err != nil {
		t.Fatal(err)
	}
	if !fit.Fits || fit.MissingBytes != 0 || fit.ContextLength != 128 {
		t.Errorf("fit: %+v", fit)
	}
	if fit.KVBytes != 128*fit.KVBytesPerToken || fit.WeightBytes == 0 {
		t.Errorf("sizes: %+v", fit)
	}
	if fit.WantedBytes != fit.WeightBytes+fit.KVBytes+fit.ScratchBytes {
		t.Errorf("sum: %+v", fit)
	}
	// Heads of 32 as 32 bytes and a scale of two, instead of 32 floats.
	q8, err := runtime.Estimate(path, map[string]any{"n_ctx": 128, "kv_type": "q8"})
	if err != nil {
		t.Fatal(err)
	}
	if q8.KVBytes*128 != fit.KVBytes*34 {
		t.Errorf("q8: %d bytes of %d", q8.KVBytes, fit.KVBytes)
	}
	if _, err := runtime.Estimate("/no/such", nil); !errors.Is(err, opencl.ErrNotFound) {
		t.Errorf("missing model: %v", err)
	}
}
