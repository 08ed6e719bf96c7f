//go:build !nomlxlm

package mlxlm

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"libinference.dev/inference"
)

// The behaviours of the backend against a bridge that does as it should.

func mockBackend() inference.Backend {
	return NewBackend(Config{Command: []string{"python3", "-u", "testdata/mock_bridge.py"}})
}

func load(t testing.TB, b inference.Backend, path string, opts ...inference.LoadOption) inference.TextModel {
	t.Helper()
	m, err := b.LoadModel(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func loadMock(t testing.TB) inference.TextModel { return load(t, mockBackend(), "/fake/model") }

func exhaust(tokens iter.Seq[inference.Token]) {
	for range tokens {
	}
}

func texts(tokens []inference.Token) (out []string) {
	for _, token := range tokens {
		out = append(out, token.Text)
	}
	return out
}

func TestBackendName(t *testing.T) {
	if got := NewBackend(Config{}).Name(); got != "mlx_lm" {
		t.Errorf("name is %q", got)
	}
	if got := NewBackend(Config{Name: "other"}).Name(); got != "other" {
		t.Errorf("name is %q", got)
	}
}

func TestLoadModel_Good(t *testing.T) {
	if got := loadMock(t).ModelType(); got != "mock_model" {
		t.Errorf("model type is %q", got)
	}
}

func TestGenerate_Good(t *testing.T) {
	m := loadMock(t)
	got := slices.Collect(m.Generate(context.Background(), "Hi"))
	want := []inference.Token{{ID: 100, Text: "Hello"}, {ID: 101, Text: " "}, {ID: 102, Text: "world"},
		{ID: 103, Text: "!"}, {ID: 104, Text: "\n"}}
	if !slices.Equal(got, want) || m.Err() != nil {
		t.Errorf("%v, %v", got, m.Err())
	}
}

func TestGenerate_Cancel(t *testing.T) {
	m := loadMock(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for range m.Generate(ctx, "Hi") {
		if n++; n == 2 {
			cancel()
		}
	}
	if n != 2 || !errors.Is(m.Err(), context.Canceled) {
		t.Errorf("%d tokens, %v", n, m.Err())
	}
	if got := slices.Collect(m.Generate(context.Background(), "Hi")); len(got) != 5 || m.Err() != nil {
		t.Errorf("afterwards: %v, %v", got, m.Err())
	}
}

func TestChat_Good(t *testing.T) {
	m := loadMock(t)
	got := slices.Collect(m.Chat(context.Background(), []inference.Message{{Role: "user", Content: "Hi"}}))
	if !slices.Equal(texts(got), []string{"I", " ", "heard", " ", "you"}) || got[4].ID != 204 || m.Err() != nil {
		t.Errorf("%v, %v", got, m.Err())
	}
}

func TestClose_Good(t *testing.T) {
	m := loadMock(t)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestGenerate_Error(t *testing.T) {
	m := loadMock(t)
	got := slices.Collect(m.Generate(context.Background(), "ERROR"))
	if err := m.Err(); len(got) != 0 || err == nil || err.Error() != "generate: simulated model error" {
		t.Errorf("%v, %v", got, err)
	}
	if got := slices.Collect(m.Generate(context.Background(), "Hi")); len(got) != 5 || m.Err() != nil {
		t.Errorf("afterwards: %v, %v", got, m.Err())
	}
}

func TestLoadModel_Bad(t *testing.T) {
	_, err := mockBackend().LoadModel("/FAIL/model")
	if err == nil || err.Error() != "mlxlm: load: cannot open model at /FAIL/model" {
		t.Error(err)
	}
}

func TestAutoRegister(t *testing.T) {
	b, ok := inference.Get("mlx_lm")
	if !ok || b.Name() != "mlx_lm" {
		t.Errorf("Get = %v, %v", b, ok)
	}
}

func TestGenerate_Concurrent(t *testing.T) {
	m := loadMock(t)
	var group sync.WaitGroup
	for range 3 {
		group.Add(1)
		go func() {
			defer group.Done()
			if got := slices.Collect(m.Generate(context.Background(), "Hi")); len(got) != 5 {
				t.Errorf("%v, %v", got, m.Err())
			}
		}()
	}
	group.Wait()
}

func TestClassify_Unsupported(t *testing.T) {
	_, err := loadMock(t).Classify(context.Background(), []string{"a"})
	if err == nil || err.Error() != "mlxlm: Classify not supported (use native Metal backend)" {
		t.Error(err)
	}
}

func TestBatchGenerate_Unsupported(t *testing.T) {
	_, err := loadMock(t).BatchGenerate(context.Background(), []string{"a"})
	if err == nil || err.Error() != "mlxlm: BatchGenerate not supported (use native Metal backend)" {
		t.Error(err)
	}
}

func TestInfo_Good(t *testing.T) {
	want := inference.ModelInfo{Architecture: "mock_model", VocabSize: 32000, NumLayers: 24, HiddenSize: 2048}
	if got := loadMock(t).Info(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestMetrics_Zero(t *testing.T) {
	m := loadMock(t)
	exhaust(m.Generate(context.Background(), "Hi"))
	if got := m.Metrics(); got != (inference.GenerateMetrics{}) {
		t.Errorf("%+v", got)
	}
}

func TestGenerate_MaxTokens(t *testing.T) {
	m := loadMock(t)
	if got := slices.Collect(m.Generate(context.Background(), "Hi", inference.WithMaxTokens(3))); len(got) != 3 {
		t.Errorf("%v, %v", got, m.Err())
	}
}

func TestAvailable(t *testing.T) {
	if !mockBackend().Available() {
		t.Error("python3 is there")
	}
	if NewBackend(Config{Command: []string{"/no/such/program"}}).Available() {
		t.Error("no such program is there")
	}
	t.Setenv("PATH", "/nowhere")
	if NewBackend(Config{}).Available() {
		t.Error("python3 is not on PATH")
	}
	_, err := NewBackend(Config{}).LoadModel("/m")
	if err == nil || !strings.HasPrefix(err.Error(), "mlxlm: start python3: ") {
		t.Error(err)
	}
}

// A context of the bridge slides by itself, and keeps what it keeps.
func TestGenerate_Bad_KeepHead(t *testing.T) {
	m := loadMock(t)
	want := texts(slices.Collect(m.Generate(context.Background(), "p")))
	if got := texts(slices.Collect(m.Generate(context.Background(), "p", inference.WithSlide()))); !slices.Equal(got, want) || m.Err() != nil {
		t.Errorf("%v, %v", got, m.Err())
	}
	for range m.Generate(context.Background(), "p", inference.WithKeepHead(7)) {
		t.Error("a token")
	}
	if m.Err() == nil || m.Err().Error() != "mlxlm: a head of 7 tokens cannot be kept, want 0" {
		t.Error(m.Err())
	}
}
