//go:build !nomlxlm

package mlxlm

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"libinference.dev/inference"
)

// The behaviours of backend_test.go with a real engine behind them: inference-bridge, which libinference
// installs. INFERENCE_BRIDGE names the program; else it is looked for on PATH.

const quickPrompt = "The quick brown fox"

var tinyModel = filepath.Join(tinyFolder, "model")

func engineBackend(t *testing.T) inference.Backend {
	t.Helper()
	program := os.Getenv("INFERENCE_BRIDGE")
	if program == "" {
		found, err := exec.LookPath("inference-bridge")
		if err != nil {
			t.Skip("inference-bridge is not on PATH, and INFERENCE_BRIDGE does not name it")
		}
		program = found
	}
	return NewBackend(Config{Name: "inference_bridge", Command: []string{program}})
}

type goldenText struct {
	Prompt string
	IDs    []int32
}

func goldenTexts(t *testing.T) []goldenText {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tinyFolder, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Generate []goldenText }
	if err := json.Unmarshal(text, &golden); err != nil || len(golden.Generate) == 0 {
		t.Fatal(len(golden.Generate), err)
	}
	return golden.Generate
}

func TestEngine(t *testing.T) {
	backend := engineBackend(t)
	m := load(t, backend, tinyModel)
	ctx := context.Background()
	greedy := goldenTexts(t)[0].IDs
	// works reports whether the model still serves, in step.
	works := func(t *testing.T) {
		t.Helper()
		got := slices.Collect(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(5)))
		if !slices.Equal(ids(got), greedy[:5]) || m.Err() != nil {
			t.Errorf("afterwards: %v, %v", got, m.Err())
		}
	}

	t.Run("BackendName", func(t *testing.T) {
		if got := backend.Name(); got != "inference_bridge" || !backend.Available() {
			t.Errorf("name is %q, available: %v", got, backend.Available())
		}
	})
	t.Run("LoadModel_Good", func(t *testing.T) {
		if got := m.ModelType(); got != "llama" {
			t.Errorf("model type is %q", got)
		}
	})
	t.Run("LoadModel_Good_Options", func(t *testing.T) {
		m := load(t, backend, tinyModel, inference.WithContextLen(16), inference.WithGPULayers(0),
			inference.WithAdapter(filepath.Join(tinyFolder, "adapter-peft"), 2))
		got := ids(slices.Collect(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(64))))
		if len(got) != 16-5+1 || slices.Equal(got[:5], greedy[:5]) || m.Err() != nil {
			t.Errorf("%v, %v", got, m.Err())
		}
		got = ids(slices.Collect(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(5), inference.WithAdapters())))
		if !slices.Equal(got, greedy[:5]) || m.Err() != nil {
			t.Errorf("without adapters: %v, %v", got, m.Err())
		}
	})
	t.Run("LoadModel_Bad", func(t *testing.T) {
		_, err := backend.LoadModel("/no/such/model")
		wantText(t, err, "mlxlm: load: ", "/no/such/model")
	})
	t.Run("Generate_Good", func(t *testing.T) {
		for _, g := range goldenTexts(t) {
			got := slices.Collect(m.Generate(ctx, g.Prompt, inference.WithMaxTokens(len(g.IDs))))
			if !slices.Equal(ids(got), g.IDs) || len(got) != len(g.IDs) || m.Err() != nil {
				t.Errorf("%q: %v, %v\nwant %v", g.Prompt, got, m.Err(), g.IDs)
			}
		}
	})
	t.Run("Generate_Cancel", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		n := 0
		for range m.Generate(ctx, quickPrompt, inference.WithMaxTokens(400)) {
			if n++; n == 2 {
				cancel()
			}
		}
		if n != 2 || !errors.Is(m.Err(), context.Canceled) {
			t.Errorf("%d tokens, %v", n, m.Err())
		}
		works(t)
	})
	t.Run("Generate_Break", func(t *testing.T) {
		for range 20 {
			for range m.Generate(ctx, quickPrompt, inference.WithMaxTokens(400)) {
				break
			}
			if m.Err() != nil {
				t.Error(m.Err())
			}
		}
		works(t)
	})
	t.Run("Generate_Error", func(t *testing.T) {
		got := slices.Collect(m.Generate(ctx, quickPrompt,
			inference.WithAdapters(inference.AdapterRef{Path: "/no/adapter", Scale: 1})))
		if len(got) != 0 {
			t.Errorf("tokens %v", got)
		}
		wantText(t, m.Err(), "generate: ", "/no/adapter")
		works(t)
	})
	t.Run("Generate_Concurrent", func(t *testing.T) {
		var group sync.WaitGroup
		for range 3 {
			group.Add(1)
			go func() {
				defer group.Done()
				got := slices.Collect(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(5)))
				if !slices.Equal(ids(got), greedy[:5]) {
					t.Errorf("%v, %v", got, m.Err())
				}
			}()
		}
		group.Wait()
	})
	t.Run("Generate_MaxTokens", func(t *testing.T) {
		for _, n := range []int{3, 1, 0} {
			got := slices.Collect(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(n)))
			if len(got) != n || m.Err() != nil {
				t.Errorf("%d: %v, %v", n, got, m.Err())
			}
		}
	})
	t.Run("Generate_Seed", func(t *testing.T) {
		draw := func(seed uint64) []inference.Token {
			got := slices.Collect(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(16), inference.WithTemperature(1.5),
				inference.WithTopK(100), inference.WithTopP(0.95), inference.WithMinP(0.01), inference.WithSeed(seed)))
			if m.Err() != nil {
				t.Error(m.Err())
			}
			return got
		}
		if first := draw(1<<64 - 1); !slices.Equal(first, draw(1<<64-1)) || slices.Equal(first, draw(8)) {
			t.Errorf("one seed is one text, two are two: %v", first)
		}
	})
	t.Run("Chat_Good", func(t *testing.T) {
		messages := []inference.Message{{Role: "user", Content: "Hi"}}
		got := slices.Collect(m.Chat(ctx, messages, inference.WithMaxTokens(5)))
		if len(got) != 5 || m.Err() != nil {
			t.Errorf("%v, %v", got, m.Err())
		}
	})
	t.Run("Classify_Unsupported", func(t *testing.T) {
		_, err := m.Classify(ctx, []string{"a"})
		wantText(t, err, "not supported")
	})
	t.Run("BatchGenerate_Unsupported", func(t *testing.T) {
		_, err := m.BatchGenerate(ctx, []string{"a"})
		wantText(t, err, "not supported")
	})
	t.Run("Info_Good", func(t *testing.T) {
		want := inference.ModelInfo{Architecture: "llama", VocabSize: 512, NumLayers: 3, HiddenSize: 128}
		if got := m.Info(); got != want {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Metrics_Zero", func(t *testing.T) {
		exhaust(m.Generate(ctx, quickPrompt, inference.WithMaxTokens(2)))
		if got := m.Metrics(); got != (inference.GenerateMetrics{}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Close_Good", func(t *testing.T) {
		m := load(t, backend, tinyModel)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("Close_Good_InALoop", func(t *testing.T) {
		m := load(t, backend, tinyModel)
		start := time.Now()
		for range m.Generate(ctx, quickPrompt, inference.WithMaxTokens(1_000_000)) {
			if err := m.Close(); err != nil { // its own end, and no kill
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}
		wantText(t, m.Err(), "mlxlm: model is closed")
	})
	t.Run("Register", func(t *testing.T) {
		inference.Register(backend)
		m, err := inference.LoadModel(tinyModel, inference.WithBackend("inference_bridge"))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}
