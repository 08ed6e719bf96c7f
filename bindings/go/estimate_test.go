package inference_test

import (
	"errors"
	"testing"

	"libinference.dev/inference"
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
	if _, err := runtime.Estimate("/no/such", nil); !errors.Is(err, inference.ErrNotFound) {
		t.Errorf("missing model: %v", err)
	}
}
