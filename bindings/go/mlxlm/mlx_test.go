//go:build !nomlxlm

package mlxlm

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"libinference.dev/inference"
)

// The bridge that the package brings along, on mlx-lm itself. INFERENCE_MLX_PYTHON names a Python that has
// it (pip install "mlx[cpu]" mlx-lm); else python3 is tried.

const tinyFolder = "../../../tests/data/golden/tiny/llama-gqa"

func mlxBackend(t *testing.T) inference.Backend {
	t.Helper()
	python := os.Getenv("INFERENCE_MLX_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import mlx_lm").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Skipf("%s cannot import mlx_lm (%s); set INFERENCE_MLX_PYTHON", python, lines[len(lines)-1])
	}
	bridge, err := Script()
	if err != nil {
		t.Fatal(err)
	}
	return NewBackend(Config{Command: []string{python, "-u", bridge}})
}

// float32Model is a copy of the tiny model in the type that its golden ids were computed in: near ties of
// random weights fall differently in bfloat16.
func float32Model(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	source := filepath.Join(tinyFolder, "model")
	entries, err := os.ReadDir(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		bytes, err := os.ReadFile(filepath.Join(source, entry.Name()))
		if err == nil && entry.Name() == "model.safetensors" {
			bytes, err = widen(bytes)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, entry.Name()), bytes, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// widen makes float32 of every bfloat16 of a safetensors file, which has nothing else.
func widen(file []byte) ([]byte, error) {
	size := binary.LittleEndian.Uint64(file)
	type entry struct {
		Type    string    `json:"dtype"`
		Shape   []int     `json:"shape"`
		Offsets [2]uint64 `json:"data_offsets"`
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(file[8:8+size], &header); err != nil {
		return nil, err
	}
	tensors := map[string]entry{}
	for name, text := range header {
		if name == "__metadata__" {
			continue
		}
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, err
		}
		tensors[name] = entry{"F32", e.Shape, [2]uint64{2 * e.Offsets[0], 2 * e.Offsets[1]}}
	}
	text, err := json.Marshal(tensors)
	if err != nil {
		return nil, err
	}
	out := safetensors(text, nil)
	for data := file[8+size:]; len(data) > 0; data = data[2:] {
		out = append(out, 0, 0, data[0], data[1])
	}
	return out, nil
}

func safetensors(header, data []byte) []byte {
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	return append(out, data...)
}

// mlxAdapter is an adapter as mlx-lm writes it, of rank 1, on one layer, with all of B the same value.
func mlxAdapter(t *testing.T, b float32) string {
	t.Helper()
	folder := t.TempDir()
	config := `{"fine_tune_type":"lora","num_layers":3,"lora_parameters":{"rank":1,"scale":1.0,"dropout":0.0}}`
	header := `{"model.layers.0.self_attn.v_proj.lora_a":{"dtype":"F32","shape":[128,1],"data_offsets":[0,512]},` +
		`"model.layers.0.self_attn.v_proj.lora_b":{"dtype":"F32","shape":[1,64],"data_offsets":[512,768]}}`
	var data []byte
	for range 128 {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(1))
	}
	for range 64 {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(b))
	}
	for name, text := range map[string][]byte{"adapter_config.json": []byte(config),
		"adapters.safetensors": safetensors([]byte(header), data)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func ids(tokens []inference.Token) (out []int32) {
	for _, token := range tokens {
		if token.ID >= 0 {
			out = append(out, token.ID)
		}
	}
	return out
}

func TestMLX(t *testing.T) {
	backend := mlxBackend(t)
	m := load(t, backend, float32Model(t))
	ctx := context.Background()
	generate := func(t *testing.T, prompt string, opts ...inference.GenerateOption) []inference.Token {
		t.Helper()
		out := slices.Collect(m.Generate(ctx, prompt, opts...))
		if err := m.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	const prompt = quickPrompt

	t.Run("Golden_Good", func(t *testing.T) {
		for _, g := range goldenTexts(t) {
			if got := ids(generate(t, g.Prompt, inference.WithMaxTokens(len(g.IDs)))); !slices.Equal(got, g.IDs) {
				t.Errorf("%q: %v\nwant %v", g.Prompt, got, g.IDs)
			}
		}
	})
	t.Run("Info_Good", func(t *testing.T) {
		want := inference.ModelInfo{Architecture: "llama", VocabSize: 512, NumLayers: 3, HiddenSize: 128}
		if got := m.Info(); got != want || m.ModelType() != "llama" {
			t.Errorf("%+v, %q", got, m.ModelType())
		}
	})
	t.Run("Chat_Good", func(t *testing.T) {
		got := slices.Collect(m.Chat(ctx, []inference.Message{{Role: "user", Content: "Hi"}}, inference.WithMaxTokens(4)))
		if len(ids(got)) == 0 || m.Err() != nil {
			t.Errorf("%v, %v", got, m.Err())
		}
	})
	t.Run("Seed_Good", func(t *testing.T) {
		opts := []inference.GenerateOption{inference.WithMaxTokens(16), inference.WithTemperature(1.5),
			inference.WithTopK(100), inference.WithTopP(0.95), inference.WithMinP(0.01), inference.WithSeed(7)}
		first, other := generate(t, prompt, opts...), generate(t, prompt, append(opts, inference.WithSeed(8))...)
		if again := generate(t, prompt, opts...); !slices.Equal(first, again) {
			t.Errorf("the same seed gives %v and %v", ids(first), ids(again))
		}
		if slices.Equal(first, other) {
			t.Errorf("two seeds give %v", ids(first))
		}
	})
	t.Run("TopK_Good_ReachesTheSampler", func(t *testing.T) {
		greedy := ids(generate(t, prompt, inference.WithMaxTokens(8)))
		hot := ids(generate(t, prompt, inference.WithMaxTokens(8), inference.WithTemperature(3), inference.WithTopK(1)))
		if !slices.Equal(hot, greedy) {
			t.Errorf("%v, want the likeliest %v", hot, greedy)
		}
	})
	t.Run("TopK_Ugly_MoreThanTheVocabulary", func(t *testing.T) {
		generate(t, prompt, inference.WithMaxTokens(2), inference.WithTemperature(1), inference.WithTopK(1<<20))
	})
	t.Run("RepeatPenalty_Good", func(t *testing.T) {
		plain := ids(generate(t, prompt, inference.WithMaxTokens(24)))
		varied := ids(generate(t, prompt, inference.WithMaxTokens(24), inference.WithRepeatPenalty(1e6)))
		seen := map[int32]bool{}
		for _, id := range varied {
			if seen[id] {
				t.Errorf("%d comes again in %v; without a penalty it is %v", id, varied, plain)
			}
			seen[id] = true
		}
		if slices.Equal(plain, varied) {
			t.Errorf("the prompt must be one that repeats: %v", plain)
		}
	})
	t.Run("Stop_Good", func(t *testing.T) {
		all := generate(t, prompt, inference.WithMaxTokens(16))
		stopped := generate(t, prompt, inference.WithMaxTokens(16), inference.WithStopTokens(ids(all)[5]))
		if first := slices.Index(ids(all), ids(all)[5]); !slices.Equal(ids(stopped), ids(all)[:first]) {
			t.Errorf("%v, want the beginning of %v", ids(stopped), ids(all))
		}
		if again := generate(t, prompt, inference.WithMaxTokens(16)); !slices.Equal(again, all) {
			t.Errorf("a stop token outlives its request: %v", again)
		}
		text := strings.Join(texts(all), "")
		runes := []rune(text)
		stop := string(runes[len(runes)/2:][:3])
		got := strings.Join(texts(generate(t, prompt, inference.WithMaxTokens(16), inference.WithStopStrings("\x00no", stop))), "")
		if want, _, _ := strings.Cut(text, stop); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("MaxTokens_Bad", func(t *testing.T) {
		for _, n := range []int{0, -1} {
			if got := generate(t, prompt, inference.WithMaxTokens(n)); len(got) != 0 {
				t.Errorf("%d: %v", n, got)
			}
		}
	})
	t.Run("Cancel_Good_InterruptsTheChild", func(t *testing.T) {
		// With a limit that takes minutes: the next call waits for the end of this one.
		for range m.Generate(ctx, prompt, inference.WithMaxTokens(1_000_000), inference.WithStopTokens()) {
			break
		}
		late, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		if got := slices.Collect(m.Generate(late, prompt, inference.WithMaxTokens(2))); len(ids(got)) != 2 || m.Err() != nil {
			t.Errorf("%v, %v", got, m.Err())
		}
	})
	t.Run("Adapters_Bad", func(t *testing.T) {
		exhaust(m.Generate(ctx, prompt, inference.WithAdapters()))
		wantText(t, m.Err(), "generate: mlx-lm takes adapters when it loads a model")
	})
}

func TestMLX_Bad_Load(t *testing.T) {
	backend := mlxBackend(t)
	_, err := backend.LoadModel("/no/such/model")
	wantText(t, err, "mlxlm: load: cannot open model at /no/such/model")
	_, err = backend.LoadModel(filepath.Join(tinyFolder, "model"), inference.WithGPULayers(7))
	wantText(t, err, "mlxlm: load: gpu_layers is 7")
	_, err = backend.LoadModel(filepath.Join(tinyFolder, "model"), inference.WithAdapter("/a", 0.5))
	wantText(t, err, "mlxlm: load: mlx-lm loads one adapter, with scale 1")
}

func TestMLX_Good_LoadOptions(t *testing.T) {
	folder := float32Model(t)
	collect := func(opts ...inference.LoadOption) []int32 {
		m := load(t, mlxBackend(t), folder, opts...)
		got := ids(slices.Collect(m.Generate(context.Background(), "The quick brown fox", inference.WithMaxTokens(40))))
		if m.Err() != nil {
			t.Fatal(m.Err())
		}
		return got
	}
	long := collect()
	if nothing := collect(inference.WithAdapter(mlxAdapter(t, 0), 1)); !slices.Equal(nothing, long) {
		t.Errorf("an adapter of zeros gives %v, want %v", nothing, long)
	}
	if other := collect(inference.WithAdapter(mlxAdapter(t, 1), 1)); slices.Equal(other, long) {
		t.Errorf("the adapter changes nothing: %v", other)
	}
	short := collect(inference.WithContextLen(16), inference.WithGPULayers(0))
	if !slices.Equal(short[:8], long[:8]) || slices.Equal(short, long) {
		t.Errorf("with room for 16 tokens: %v\nwith room for all: %v", short, long)
	}
}
