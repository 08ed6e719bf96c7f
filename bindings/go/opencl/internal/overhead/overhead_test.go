//go:build cgo && !noopencl

package overhead_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"libinference.dev/inference"
	"libinference.dev/inference/opencl"
	"libinference.dev/inference/opencl/internal/overhead"
)

// What a token costs beyond inf_gen_next in a Go loop: the way out of C, the iterator, the text's copy, the way in.
// The same gap in a loop in C is what measuring costs.
//
//	go test -run xxx -bench . ./opencl/internal/overhead
func BenchmarkOverhead(b *testing.B) {
	const tokens = 256
	path := os.Getenv("INFERENCE_SMOLLM2")
	if path == "" {
		path = "../../../../../tests/data/golden/tiny/llama-gqa/model"
	}
	ctx, cancel := context.WithCancel(context.Background()) // one that can end, as a service has
	defer cancel()
	runtime, err := opencl.NewRuntime(opencl.RuntimeConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer runtime.Close()
	model, err := runtime.LoadModel(ctx, path, opencl.LoadConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer model.Close()
	text, err := opencl.NewBackend(opencl.BackendConfig{Runtime: runtime}).LoadModel(path)
	if err != nil {
		b.Fatal(err)
	}
	defer text.Close()

	const prompt = "Once upon a time"
	session := func() {
		s, err := model.NewSession(opencl.SessionConfig{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		for _, err := range s.Generate(ctx, opencl.Text(prompt), opencl.WithMaxTokens(tokens), opencl.WithIgnoreEnd()) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	textModel := func() {
		for range text.Generate(ctx, prompt, inference.WithMaxTokens(tokens)) {
		}
		if err := text.Err(); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		run  func(rounds int)
	}{
		{"C", func(rounds int) {
			if err := overhead.LoopInC(path, prompt, tokens, rounds); err != nil {
				b.Fatal(err)
			}
		}},
		{"Session", func(rounds int) {
			for range rounds {
				session()
			}
		}},
		{"TextModel", func(rounds int) {
			for range rounds {
				textModel()
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			gaps := overhead.Between(tokens*b.N, func() { c.run(b.N) })
			slices.Sort(gaps)
			var sum int64
			for _, gap := range gaps {
				sum += gap
			}
			b.ReportMetric(float64(sum)/float64(len(gaps)), "mean-ns/token")
			b.ReportMetric(float64(gaps[len(gaps)/10]), "p10-ns/token")
			b.ReportMetric(float64(gaps[len(gaps)/2]), "median-ns/token")
			b.ReportMetric(float64(gaps[len(gaps)*9/10]), "p90-ns/token")
			b.ReportMetric(0, "ns/op")
		})
	}
}
