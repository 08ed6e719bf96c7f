package textbackend

import (
	"fmt"
	"runtime"
)

// MemoryReporter is a model that tells how much device memory is in use, in bytes. Where a model is one, each
// call ends with a check: more than three times what the loaded model took is logged and cleaned up.
type MemoryReporter interface {
	ActiveMemory() uint64
	PeakMemory() uint64
}

// MemoryManager is a model whose device memory can be bounded. Setters return the earlier limit.
type MemoryManager interface {
	MemoryReporter
	SetCacheLimit(bytes uint64) (uint64, error) // of what is kept for reuse
	SetMemoryLimit(bytes uint64) (uint64, error)
	ClearCache() error // gives back what is kept for reuse
}

// budgetFactor is how many times the model's own memory may be in use after a call.
const budgetFactor = 3

func (b *TextBackend) limitMemory() error {
	manager, ok := b.model.(MemoryManager)
	if !ok && b.config.limitsAsked {
		return fmt.Errorf("textbackend: memory limits: %T has none", b.model)
	}
	if bytes := b.config.cacheLimit; ok && bytes > 0 {
		if _, err := manager.SetCacheLimit(bytes); err != nil {
			return fmt.Errorf("textbackend: set cache limit: %w", err)
		}
	}
	if bytes := b.config.memoryLimit; ok && bytes > 0 {
		if _, err := manager.SetMemoryLimit(bytes); err != nil {
			return fmt.Errorf("textbackend: set memory limit: %w", err)
		}
	}
	if reporter, ok := b.model.(MemoryReporter); ok {
		b.modelBytes = reporter.ActiveMemory()
	}
	return nil
}

// checkMemory runs on every way out of a call.
func (b *TextBackend) checkMemory() {
	reporter, ok := b.model.(MemoryReporter)
	if !ok || b.modelBytes == 0 {
		return
	}
	active := reporter.ActiveMemory()
	if active <= budgetFactor*b.modelBytes {
		return
	}
	b.config.logger.Warn("textbackend: memory over budget, forcing cleanup",
		"active_mb", active>>20, "model_mb", b.modelBytes>>20, "peak_mb", reporter.PeakMemory()>>20)
	runtime.GC() // twice: finalizers of the first round let go of what the second one finds
	runtime.GC()
	if manager, ok := b.model.(MemoryManager); ok {
		if err := manager.ClearCache(); err != nil {
			b.config.logger.Warn("textbackend: clear cache", "error", err)
		}
	}
}
