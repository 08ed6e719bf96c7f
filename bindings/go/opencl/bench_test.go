//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"
	"time"

	"libinference.dev/inference"
	"libinference.dev/inference/opencl"
	"libinference.dev/inference/opencl/internal/cstep"
)

// What a token costs more through a Go iterator than in a loop in C: overhead-ns/token. Rounds in C and in Go take
// turns, and the best of each count: other programs make some of them slower, none faster.
//
//	go test -bench Overhead -benchtime 20x ./opencl
func BenchmarkOverhead(b *testing.B) {
	const prompt, maxTokens = "The quick brown fox", 256
	inC, err := cstep.Load(filepath.Join(tinyFolder, "model"))
	if err != nil {
		b.Fatal(err)
	}
	defer inC.Close()
	inGo := tinyModel(b)
	text := sharedText(b)

	ctx, cancel := context.WithCancel(background) // one that can end, as a service has
	defer cancel()
	// Tokens after the first one, and what they took.
	session := func() (tokens int, took time.Duration) {
		s, err := inGo.NewSession(opencl.SessionConfig{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		start := time.Time{}
		for _, err := range s.Generate(ctx, opencl.Text(prompt), opencl.WithMaxTokens(maxTokens)) {
			if err != nil {
				b.Fatal(err)
			}
			if start.IsZero() {
				start = time.Now()
			} else {
				tokens++
				took = time.Since(start)
			}
		}
		return tokens, took
	}
	textModel := func() (tokens int, took time.Duration) {
		start := time.Time{}
		for range text.Generate(ctx, prompt, inference.WithMaxTokens(maxTokens)) {
			if start.IsZero() {
				start = time.Now()
			} else {
				tokens++
				took = time.Since(start)
			}
		}
		if err := text.Err(); err != nil {
			b.Fatal(err)
		}
		return tokens, took
	}
	for name, run := range map[string]func() (int, time.Duration){"Session": session, "TextModel": textModel} {
		b.Run(name, func(b *testing.B) {
			bestC, bestGo := math.Inf(1), math.Inf(1)
			for range b.N {
				n, took, err := inC.Run(prompt, maxTokens)
				if err != nil {
					b.Fatal(err)
				}
				bestC = min(bestC, float64(took.Nanoseconds())/float64(n))
				m, took := run()
				if m != n {
					b.Fatalf("%d tokens, %d in C", m, n)
				}
				bestGo = min(bestGo, float64(took.Nanoseconds())/float64(m))
			}
			b.ReportMetric(bestC, "c-ns/token")
			b.ReportMetric(bestGo, "go-ns/token")
			b.ReportMetric(bestGo-bestC, "overhead-ns/token")
		})
	}
}
