package inference

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
)

// fakeBackend keeps what it was asked to load.
type fakeBackend struct {
	name        string
	unavailable bool
	model       TextModel
	err         error
	path        string
	config      LoadConfig
}

func (b *fakeBackend) Name() string    { return b.name }
func (b *fakeBackend) Available() bool { return !b.unavailable }
func (b *fakeBackend) LoadModel(path string, opts ...LoadOption) (TextModel, error) {
	b.path, b.config = path, ApplyLoadOpts(opts)
	return b.model, b.err
}

// fakeModel counts how often it is closed.
type fakeModel struct{ closed int }

func (m *fakeModel) Generate(context.Context, string, ...GenerateOption) iter.Seq[Token] {
	return func(func(Token) bool) {}
}
func (m *fakeModel) Chat(context.Context, []Message, ...GenerateOption) iter.Seq[Token] {
	return func(func(Token) bool) {}
}
func (m *fakeModel) Classify(context.Context, []string, ...GenerateOption) ([]ClassifyResult, error) {
	return nil, nil
}
func (m *fakeModel) BatchGenerate(context.Context, []string, ...GenerateOption) ([]BatchResult, error) {
	return nil, nil
}
func (m *fakeModel) ModelType() string        { return "fake" }
func (m *fakeModel) Info() ModelInfo          { return ModelInfo{} }
func (m *fakeModel) Metrics() GenerateMetrics { return GenerateMetrics{} }
func (m *fakeModel) Err() error               { return nil }
func (m *fakeModel) Close() error             { m.closed++; return nil }

// withBackends makes these the only ones until the test is over.
func withBackends(t *testing.T, list ...Backend) {
	t.Helper()
	backendsMu.Lock()
	saved := maps.Clone(backends)
	clear(backends)
	backendsMu.Unlock()
	t.Cleanup(func() {
		backendsMu.Lock()
		backends = saved
		backendsMu.Unlock()
	})
	for _, b := range list {
		Register(b)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestRegister_Good(t *testing.T) {
	a, b := &fakeBackend{name: "a"}, &fakeBackend{name: "b"}
	withBackends(t, b, a)
	if got, ok := Get("a"); !ok || got != a {
		t.Errorf("Get(a) = %v, %v", got, ok)
	}
	if got := List(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("List() = %v", got)
	}
}

func TestRegister_Bad_SameNameReplaces(t *testing.T) {
	first, second := &fakeBackend{name: "a"}, &fakeBackend{name: "a"}
	withBackends(t, first, second)
	if got, _ := Get("a"); got != second {
		t.Error("the earlier backend is still there")
	}
	if got := List(); len(got) != 1 {
		t.Errorf("List() = %v", got)
	}
}

func TestRegister_Ugly_Concurrent(t *testing.T) {
	withBackends(t)
	var group sync.WaitGroup
	for i := range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			Register(&fakeBackend{name: fmt.Sprint(i % 8)})
			Get("3")
			List()
			if _, err := Default(); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if got := len(List()); got != 8 {
		t.Errorf("%d backends, want 8", got)
	}
}

// askingBackend uses the registry from its own methods.
type askingBackend struct{ fakeBackend }

func (b *askingBackend) Name() string    { List(); return "asking" }
func (b *askingBackend) Available() bool { Register(&fakeBackend{name: "late"}); return true }

func TestRegister_Ugly_BackendUsesTheRegistry(t *testing.T) {
	withBackends(t, &askingBackend{})
	if b, err := Default(); err != nil || b.Name() != "asking" {
		t.Errorf("Default() = %v, %v", b, err)
	}
}

func TestGet_Bad_Unknown(t *testing.T) {
	withBackends(t)
	if b, ok := Get("metal"); ok || b != nil {
		t.Errorf("Get = %v, %v", b, ok)
	}
	if got := List(); len(got) != 0 {
		t.Errorf("List() = %v", got)
	}
}

func TestDefault_Good_Preference(t *testing.T) {
	// Each list begins with the one that must win; names before "metal" in the alphabet must not.
	for _, names := range [][]string{
		{"metal", "rocm", "llama_cpp", "opencl", "aaa"},
		{"rocm", "llama_cpp", "opencl", "aaa"},
		{"llama_cpp", "opencl", "aaa"},
		{"opencl", "aaa", "mlx_lm"},
		{"aaa", "mlx_lm", "zzz"},
	} {
		withBackends(t)
		for _, name := range names {
			Register(&fakeBackend{name: name})
		}
		if b, err := Default(); err != nil || b.Name() != names[0] {
			t.Errorf("of %v, Default() = %v, %v", names, b, err)
		}
	}
}

func TestDefault_Good_SkipsTheUnavailable(t *testing.T) {
	withBackends(t, &fakeBackend{name: "metal", unavailable: true}, &fakeBackend{name: "opencl"},
		&fakeBackend{name: "aaa"})
	if b, err := Default(); err != nil || b.Name() != "opencl" {
		t.Errorf("Default() = %v, %v", b, err)
	}
}

func TestDefault_Bad_None(t *testing.T) {
	const want = "inference: no backends registered (import a backend package)"
	withBackends(t)
	_, err := Default()
	wantError(t, err, want)
	Register(&fakeBackend{name: "metal", unavailable: true})
	_, err = Default()
	wantError(t, err, want)
	_, err = LoadModel("x")
	wantError(t, err, want)
}

func TestLoadModel_Good(t *testing.T) {
	model := &fakeModel{}
	metal, other := &fakeBackend{name: "metal", model: model}, &fakeBackend{name: "other", model: model}
	withBackends(t, metal, other)
	m, err := LoadModel("/m", WithContextLen(512), WithParallelSlots(2))
	if err != nil || m != model || metal.path != "/m" || metal.config.ContextLen != 512 ||
		metal.config.ParallelSlots != 2 || metal.config.GPULayers != -1 {
		t.Errorf("LoadModel = %v, %v; the backend got %q, %+v", m, err, metal.path, metal.config)
	}
	if _, err = LoadModel("/o", WithBackend("other"), WithGPULayers(0)); err != nil || other.path != "/o" ||
		other.config.Backend != "other" || other.config.GPULayers != 0 {
		t.Errorf("%v; the backend got %q, %+v", err, other.path, other.config)
	}
}

func TestLoadModel_Bad(t *testing.T) {
	gone := &fakeBackend{name: "gone", unavailable: true}
	withBackends(t, gone, &fakeBackend{name: "here"})
	_, err := LoadModel("x", WithBackend("nope"))
	wantError(t, err, `inference: backend "nope" not registered`)
	_, err = LoadModel("x", WithBackend("gone"))
	wantError(t, err, `inference: backend "gone" not available on this hardware`)
	if gone.path != "" {
		t.Error("a backend that is not available was asked to load")
	}
}

func TestLoadModel_Ugly_BackendErrorAsItIs(t *testing.T) {
	failure := errors.New("out of everything")
	withBackends(t, &fakeBackend{name: "metal", err: failure})
	if _, err := LoadModel(""); err != failure {
		t.Errorf("error is %v", err)
	}
}

// trainable is a model with the hooks of training.
type trainable struct{ fakeModel }

func (*trainable) ApplyLoRA(LoRAConfig) Adapter { return nil }
func (*trainable) Encode(string) []int32        { return nil }
func (*trainable) Decode([]int32) string        { return "" }
func (*trainable) NumLayers() int               { return 2 }

func TestLoadTrainable_Good(t *testing.T) {
	model := &trainable{}
	withBackends(t, &fakeBackend{name: "metal", model: model})
	if m, err := LoadTrainable("/m"); err != nil || m != model || model.closed != 0 {
		t.Errorf("LoadTrainable = %v, %v", m, err)
	}
}

func TestLoadTrainable_Bad_NotTrainable(t *testing.T) {
	model := &fakeModel{}
	withBackends(t, &fakeBackend{name: "X", model: model})
	_, err := LoadTrainable("/m")
	wantError(t, err, `inference: backend "X" does not support training`)
	if model.closed != 1 {
		t.Errorf("the model was closed %d times, want once", model.closed)
	}
}

func TestLoadTrainable_Ugly_Errors(t *testing.T) {
	failure := errors.New("no such file")
	withBackends(t, &fakeBackend{name: "X", err: failure})
	if m, err := LoadTrainable("/m"); m != nil || err != failure {
		t.Errorf("LoadTrainable = %v, %v", m, err)
	}
	_, err := LoadTrainable("/m", WithBackend("nope"))
	wantError(t, err, `inference: backend "nope" not registered`)
}

func TestDefaultLoRAConfig_Good(t *testing.T) {
	cfg := DefaultLoRAConfig()
	if cfg.Rank != 8 || cfg.Alpha != 16 || !slices.Equal(cfg.TargetKeys, []string{"q_proj", "v_proj"}) || cfg.BFloat16 {
		t.Errorf("%+v", cfg)
	}
}
