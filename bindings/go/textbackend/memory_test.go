package textbackend

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// managed is a model with counters of memory.
type managed struct {
	fakeModel
	active, peak            uint64
	cacheLimit, memoryLimit uint64
	cleared                 int
	refuse                  error
}

func (m *managed) ActiveMemory() uint64 { return m.active }
func (m *managed) PeakMemory() uint64   { return m.peak }
func (m *managed) SetCacheLimit(n uint64) (uint64, error) {
	old := m.cacheLimit
	m.cacheLimit = n
	return old, nil
}
func (m *managed) SetMemoryLimit(n uint64) (uint64, error) {
	if m.refuse != nil {
		return 0, m.refuse
	}
	old := m.memoryLimit
	m.memoryLimit = n
	return old, nil
}
func (m *managed) ClearCache() error { m.cleared++; return nil }

func TestMemory_Good_WithinBudget(t *testing.T) {
	var log bytes.Buffer
	m := &managed{active: 10 << 20}
	b := over(t, m, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	m.active = 30 << 20 // three times, not more
	if _, err := b.Generate(ctx, "Hi", GenOpts{}); err != nil || log.Len() != 0 || m.cleared != 0 {
		t.Errorf("%v; cleared %d times; %s", err, m.cleared, log.String())
	}
	if m.cacheLimit != 0 || m.memoryLimit != 0 {
		t.Errorf("limits are %d and %d, though nobody asked", m.cacheLimit, m.memoryLimit)
	}
}

func TestMemory_Bad_OverBudget(t *testing.T) {
	var log bytes.Buffer
	m := &managed{active: 10 << 20, fakeModel: fakeModel{says: []string{"a"}}}
	b := over(t, m, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	m.active, m.peak = 30<<20+1, 44<<20
	stop := errors.New("stop")
	if err := b.GenerateStream(ctx, "Hi", GenOpts{}, func(string) error { return stop }); err != stop { // every way out
		t.Error(err)
	}
	if !strings.Contains(log.String(), "level=WARN") ||
		!strings.Contains(log.String(), "active_mb=30 model_mb=10 peak_mb=44") || m.cleared != 1 {
		t.Errorf("cleared %d times; %s", m.cleared, log.String())
	}
}

func TestMemory_Good_Limits(t *testing.T) {
	m := &managed{cacheLimit: 7}
	over(t, m, WithMemoryLimits(0, 99))
	if m.cacheLimit != 7 || m.memoryLimit != 99 {
		t.Errorf("limits are %d and %d", m.cacheLimit, m.memoryLimit)
	}
}

func TestMemory_Ugly_NoManager(t *testing.T) {
	b, err := FromModel("fake", &fakeModel{}, WithMemoryLimits(1, 2))
	if b != nil || err == nil || !strings.Contains(err.Error(), "textbackend: memory limits: *textbackend.fakeModel has none") {
		t.Errorf("%v, %v", b, err)
	}
}
