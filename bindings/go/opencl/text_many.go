//go:build cgo && !noopencl

package opencl

import (
	"context"
	"fmt"
	"time"

	"libinference.dev/inference"
)

// Classify gives the token that follows each prompt, in one pass over all of them. Where a prompt fails, the error
// names the first one, and the others have their results.
func (m *textModel) Classify(outer context.Context, prompts []string, opts ...inference.GenerateOption) ([]inference.ClassifyResult, error) {
	ctx, leave, err := m.enter(outer)
	if err != nil {
		return nil, err
	}
	defer leave()
	cfg := inference.ApplyGenerateOpts(opts)
	cfg.MaxTokens = 1 // what a request must have
	options, err := m.options(ctx, cfg)
	if err != nil {
		return nil, m.reason(outer, err)
	}
	start, before := time.Now(), m.memory()
	list, err := m.model.NextTokens(ctx, prompts, cfg.ReturnLogits, options...)
	if err != nil {
		return nil, m.reason(outer, err)
	}
	metrics := inference.GenerateMetrics{TotalDuration: time.Since(start)}
	metrics.PrefillDuration = metrics.TotalDuration
	results := make([]inference.ClassifyResult, len(list))
	for i, next := range list {
		if next.Err != nil {
			if err == nil {
				err = fmt.Errorf("classify prompt %d: %w", i, m.reason(outer, next.Err))
			}
			continue
		}
		results[i] = inference.ClassifyResult{Token: inference.Token{ID: next.ID, Text: next.Text}, Logits: next.Logits}
		metrics.PromptTokens += int(next.PromptTokens)
		metrics.GeneratedTokens++
	}
	metrics.PrefillTokensPerSec = perSecond(metrics.PromptTokens, metrics.PrefillDuration)
	after := m.memory()
	metrics.ActiveMemoryBytes = after.Active
	metrics.PeakMemoryBytes = max(before.Active, after.Active)
	if after.Peak > before.Peak { // one count for all that use the device: it rose meanwhile
		metrics.PeakMemoryBytes = after.Peak
	}
	m.setMetrics(metrics)
	return results, err
}

// batchDefaultTokens is what BatchGenerate takes MaxTokens 0 for; Generate takes it for none.
const batchDefaultTokens = 256

// BatchGenerate continues many prompts in the same steps; each gets the tokens that it gets alone.
func (m *textModel) BatchGenerate(outer context.Context, prompts []string, opts ...inference.GenerateOption) ([]inference.BatchResult, error) {
	ctx, leave, err := m.enter(outer)
	if err != nil {
		return nil, err
	}
	defer leave()
	cfg := inference.ApplyGenerateOpts(opts)
	if cfg.MaxTokens <= 0 {
		cfg.MaxTokens = batchDefaultTokens
	}
	batch, err := m.model.NewBatch(BatchConfig{Slots: min(max(len(prompts), 1), maxSlots)})
	if err != nil {
		return nil, err
	}
	defer batch.Close()
	start := time.Now()
	results := make([]inference.BatchResult, len(prompts))
	index := map[uint64]int{} // of a request's prompt
	for i, prompt := range prompts {
		options, err := m.options(ctx, cfg) // each with a seed of its own, unless one is given
		if err != nil {
			return nil, m.reason(outer, err)
		}
		if id, err := batch.Add(ctx, nil, Markup(prompt), options...); err != nil {
			results[i].Err = m.reason(outer, err)
		} else {
			index[id] = i
		}
	}
	var ended []Result
	for event, err := range batch.Events() {
		if err != nil { // of all that are left
			for _, i := range index {
				results[i].Err = err
			}
			return results, err
		}
		r := &results[index[event.ID]]
		if !event.Done {
			r.Tokens = append(r.Tokens, inference.Token{ID: event.Token.ID, Text: event.Token.Text})
			continue
		}
		delete(index, event.ID)
		ended = append(ended, event.Result)
		if r.Err = contextFull(event.Result); event.Err != nil {
			r.Err = m.reason(outer, event.Err)
		}
	}
	m.setMetrics(metricsOfBatch(ended, time.Since(start)))
	return results, nil
}

// metricsOfBatch sums up requests that ran side by side: the prompts took until the last of them was through.
func metricsOfBatch(ended []Result, total time.Duration) inference.GenerateMetrics {
	metrics := inference.GenerateMetrics{TotalDuration: total}
	for _, r := range ended {
		metrics.PromptTokens += int(r.PromptTokens)
		metrics.GeneratedTokens += int(r.GeneratedTokens)
		metrics.PrefillDuration = max(metrics.PrefillDuration, r.Prefill)
		metrics.DecodeDuration = max(metrics.DecodeDuration, r.Decode)
		metrics.PeakMemoryBytes = max(metrics.PeakMemoryBytes, r.PeakBytes)
		metrics.ActiveMemoryBytes = r.ActiveBytes
	}
	metrics.PrefillTokensPerSec = perSecond(metrics.PromptTokens, metrics.PrefillDuration)
	metrics.DecodeTokensPerSec = perSecond(metrics.GeneratedTokens-len(ended), metrics.DecodeDuration)
	return metrics
}

func metricsOf(r Result) inference.GenerateMetrics {
	return inference.GenerateMetrics{
		PromptTokens:        int(r.PromptTokens),
		GeneratedTokens:     int(r.GeneratedTokens),
		PrefillDuration:     r.Prefill,
		DecodeDuration:      r.Decode,
		TotalDuration:       r.Total,
		PrefillTokensPerSec: r.PrefillTokS,
		DecodeTokensPerSec:  r.DecodeTokS,
		PeakMemoryBytes:     r.PeakBytes,
		ActiveMemoryBytes:   r.ActiveBytes,
	}
}

func perSecond(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func (m *textModel) Metrics() inference.GenerateMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.metrics
}

func (m *textModel) setMetrics(metrics inference.GenerateMetrics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metrics = metrics
}
