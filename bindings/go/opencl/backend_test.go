//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"libinference.dev/inference"
	"libinference.dev/inference/opencl"
	"libinference.dev/inference/textbackend"
)

var background = context.Background()

// sharedText is the tiny model behind the contract; who closes it, or changes it, takes loadText.
func sharedText(t testing.TB) inference.TextModel {
	t.Helper()
	m, err := sharedTextModel()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var sharedTextModel = sync.OnceValues(func() (inference.TextModel, error) {
	runtime, err := sharedRuntime()
	if err != nil {
		return nil, err
	}
	return opencl.NewBackend(opencl.BackendConfig{Runtime: runtime}).LoadModel(filepath.Join(tinyFolder, "model"))
})

// loadText loads the tiny model behind the contract, on the tests' runtime.
func loadText(t testing.TB, opts ...inference.LoadOption) inference.TextModel {
	t.Helper()
	m, err := loadTextFrom(t, filepath.Join(tinyFolder, "model"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func loadTextFrom(t testing.TB, path string, opts ...inference.LoadOption) (inference.TextModel, error) {
	t.Helper()
	runtime, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	m, err := opencl.NewBackend(opencl.BackendConfig{Runtime: runtime}).LoadModel(path, opts...)
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

// collect takes a whole stream, which must end without an error.
func collect(t testing.TB, m inference.TextModel, tokens iter.Seq[inference.Token]) (ids []int32, text string) {
	t.Helper()
	var all strings.Builder
	for token := range tokens {
		all.WriteString(token.Text)
		if token.ID >= 0 {
			ids = append(ids, token.ID)
		}
	}
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	return ids, all.String()
}

func idsOf(tokens []inference.Token) (ids []int32) {
	for _, token := range tokens {
		if token.ID >= 0 {
			ids = append(ids, token.ID)
		}
	}
	return ids
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error is %v, want %q in it", err, part)
		}
	}
}

func TestBackend_Good_Registered(t *testing.T) {
	b, ok := inference.Get("opencl")
	if !ok || b.Name() != "opencl" || !b.Available() {
		t.Fatalf("%v, %v", b, ok)
	}
	m, err := inference.LoadModel(filepath.Join(tinyFolder, "model")) // the default, with nothing else imported
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want := inference.ModelInfo{Architecture: "llama", VocabSize: 512, NumLayers: 3, HiddenSize: 128}
	if got := m.Info(); got != want || m.ModelType() != "llama" {
		t.Errorf("%+v, %q", got, m.ModelType())
	}
	if got := opencl.NewBackend(opencl.BackendConfig{Name: "other"}).Name(); got != "other" {
		t.Errorf("name is %q", got)
	}
}

func TestBackend_Bad_Load(t *testing.T) {
	_, err := loadTextFrom(t, "/no/such/model")
	if !errors.Is(err, opencl.ErrNotFound) {
		t.Error(err)
	}
	model := filepath.Join(tinyFolder, "model")
	for want, option := range map[string]inference.LoadOption{
		"opencl: context length is -1, want 0 or more":              inference.WithContextLen(-1),
		"opencl: parallel slots are 65, want 0 to 64":               inference.WithParallelSlots(65),
		"opencl: parallel slots are -1, want 0 to 64":               inference.WithParallelSlots(-1),
		"opencl: GPU layers are 2 of 3: a model runs on one device": inference.WithGPULayers(2),
		"opencl: NOT_FOUND: ":                                       inference.WithAdapter("/no/such/adapter", 1),
	} {
		_, err := loadTextFrom(t, model, option)
		wantText(t, err, want)
	}
	_, err = opencl.NewBackend(opencl.BackendConfig{Options: map[string]any{"no_such_option": 1}}).LoadModel(model)
	wantText(t, err, "no_such_option")
}

func TestBackend_Good_LoadOptions(t *testing.T) {
	golden := loadGolden(t).Generate[0]
	for name, opts := range map[string][]inference.LoadOption{
		"all layers": {inference.WithGPULayers(99)},
		"cpu":        {inference.WithGPULayers(0)},
		"slots":      {inference.WithParallelSlots(3)},
	} {
		m := loadText(t, opts...)
		if ids, _ := collect(t, m, m.Generate(background, golden.Prompt, inference.WithMaxTokens(8))); !slices.Equal(ids, golden.IDs[:8]) {
			t.Errorf("%s: %v", name, ids)
		}
	}
	runtime, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	options := map[string]any{"kv_type": "f16"}
	m, err := opencl.NewBackend(opencl.BackendConfig{Runtime: runtime, Options: options}).LoadModel(filepath.Join(tinyFolder, "model"))
	if err != nil || len(options) != 1 {
		t.Fatal(err, options)
	}
	m.Close()
}

func TestGenerate_Good_Golden(t *testing.T) {
	m := sharedText(t)
	for _, g := range loadGolden(t).Generate {
		ids, _ := collect(t, m, m.Generate(background, g.Prompt, inference.WithMaxTokens(len(g.IDs))))
		if !slices.Equal(ids, g.IDs) {
			t.Errorf("%q: %v\nwant %v", g.Prompt, ids, g.IDs)
		}
	}
}

func TestGenerate_Good_SpecialTokensInThePrompt(t *testing.T) {
	m := sharedText(t)
	chat := loadGolden(t).Chats[0]
	messages := []inference.Message{{Role: "user", Content: "What is the capital of France?"}}
	want, _ := collect(t, m, m.Chat(background, messages, inference.WithMaxTokens(8)))
	marked := strings.TrimPrefix(chat.Text, "<|begin_of_text|>") // the checkpoint adds its own
	if got, _ := collect(t, m, m.Generate(background, marked, inference.WithMaxTokens(8))); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n := m.Metrics().PromptTokens; n != len(chat.IDs) {
		t.Errorf("%d tokens of prompt, want %d", n, len(chat.IDs))
	}
}

func TestGenerate_Good_Options(t *testing.T) {
	m := sharedText(t)
	g := loadGolden(t).Generate[0]
	generate := func(opts ...inference.GenerateOption) ([]int32, string) {
		t.Helper()
		return collect(t, m, m.Generate(background, g.Prompt, append([]inference.GenerateOption{inference.WithMaxTokens(16)}, opts...)...))
	}
	hot := []inference.GenerateOption{inference.WithTemperature(2), inference.WithTopK(200), inference.WithTopP(0.99), inference.WithMinP(0.001)}
	first, _ := generate(append(hot, inference.WithSeed(7))...)
	again, _ := generate(append(hot, inference.WithSeed(7))...)
	other, _ := generate(append(hot, inference.WithSeed(8))...)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Errorf("seed 7: %v and %v, seed 8: %v", first, again, other)
	}
	one, _ := generate(hot...)
	two, _ := generate(hot...)
	if slices.Equal(one, two) {
		t.Errorf("without a seed, twice %v", one)
	}
	if stopped, _ := generate(inference.WithStopTokens(g.IDs[3])); !slices.Equal(stopped, g.IDs[:3]) {
		t.Errorf("%v, want the beginning of %v", stopped, g.IDs)
	}
	_, text := generate()
	runes := []rune(text)
	stop := string(runes[len(runes)/2:][:3])
	if _, got := generate(inference.WithStopStrings(stop)); got != text[:strings.Index(text, stop)] {
		t.Errorf("%q before %q of %q", got, stop, text)
	}
	varied, _ := generate(inference.WithRepeatPenalty(100))
	slices.Sort(varied)
	if len(slices.Compact(varied)) != 16 {
		t.Errorf("%v", varied)
	}
}

func TestGenerate_Bad_Options(t *testing.T) {
	m := sharedText(t)
	for _, n := range []int{0, -1} {
		if ids, text := collect(t, m, m.Generate(background, "x", inference.WithMaxTokens(n))); len(ids) != 0 || text != "" {
			t.Errorf("%d: %v", n, ids)
		}
		if m.Metrics() != (inference.GenerateMetrics{}) {
			t.Errorf("%+v", m.Metrics())
		}
	}
	for name, option := range map[string]inference.GenerateOption{
		"temperature": inference.WithTemperature(-1),
		"top_k":       inference.WithTopK(-1),
		"stop":        inference.WithStopStrings(""),
		"token":       inference.WithStopTokens(1 << 20),
	} {
		for range m.Generate(background, "x", option) {
			t.Errorf("%s: a token", name)
		}
		if !errors.Is(m.Err(), opencl.ErrArgument) {
			t.Errorf("%s: %v", name, m.Err())
		}
	}
	if ids, _ := collect(t, m, m.Generate(background, "x", inference.WithMaxTokens(2))); len(ids) != 2 {
		t.Errorf("afterwards: %v", ids)
	}
}

func TestContextLen_Bad_Full(t *testing.T) {
	m := loadText(t, inference.WithContextLen(8))
	g := loadGolden(t).Generate[0] // a prompt of 5 tokens
	var ids []int32
	for token := range m.Generate(background, g.Prompt) {
		if token.ID >= 0 {
			ids = append(ids, token.ID)
		}
	}
	if !slices.Equal(ids, g.IDs[:len(ids)]) || len(ids) == 0 || len(ids) > 4 || !errors.Is(m.Err(), opencl.ErrContextFull) {
		t.Errorf("%v, %v", ids, m.Err())
	}
	for range m.Generate(background, strings.Repeat("word ", 50)) {
		t.Error("the prompt does not fit")
	}
	if !errors.Is(m.Err(), opencl.ErrContextFull) {
		t.Error(m.Err())
	}
}

func TestMetrics_Good(t *testing.T) {
	m := sharedText(t)
	g := loadGolden(t).Generate[0]
	check := func(prompt, generated int, decodes bool) {
		t.Helper()
		got := m.Metrics()
		if got.PromptTokens != prompt || got.GeneratedTokens != generated || got.PrefillDuration <= 0 ||
			got.TotalDuration < got.PrefillDuration || got.PrefillTokensPerSec <= 0 || got.ActiveMemoryBytes == 0 ||
			got.PeakMemoryBytes < got.ActiveMemoryBytes || decodes != (got.DecodeDuration > 0 && got.DecodeTokensPerSec > 0) {
			t.Errorf("%+v", got)
		}
	}
	collect(t, m, m.Generate(background, g.Prompt, inference.WithMaxTokens(7)))
	check(5, 7, true)
	for range m.Generate(background, g.Prompt) {
		break
	}
	check(5, 1, false)
	if _, err := m.Classify(background, []string{g.Prompt, g.Prompt}); err != nil {
		t.Fatal(err)
	}
	check(10, 2, false)
	if got := m.Metrics(); got.PrefillDuration != got.TotalDuration {
		t.Errorf("%+v", got)
	}
	if _, err := m.BatchGenerate(background, []string{g.Prompt, g.Prompt, g.Prompt}, inference.WithMaxTokens(4)); err != nil {
		t.Fatal(err)
	}
	check(15, 12, true)
}

func TestAdapters_Good(t *testing.T) {
	adapter := filepath.Join(tinyFolder, "adapter-peft")
	g := loadGolden(t).Generate[0]
	plain, tuned := sharedText(t), loadText(t, inference.WithAdapter(adapter, 1))
	generate := func(m inference.TextModel, opts ...inference.GenerateOption) []int32 {
		t.Helper()
		ids, _ := collect(t, m, m.Generate(background, g.Prompt, append(opts, inference.WithMaxTokens(24))...))
		return ids
	}
	use := func(scale float32) inference.GenerateOption {
		return inference.WithAdapters(inference.AdapterRef{Path: adapter, Scale: scale})
	}
	base, adapted := g.IDs[:24], generate(tuned)
	for name, c := range map[string]struct{ got, want []int32 }{
		"nothing":              {generate(plain), base},
		"in the call":          {generate(plain, use(1)), adapted},
		"scale 0":              {generate(plain, use(0)), base},
		"none in the call":     {generate(tuned, inference.WithAdapters()), base},
		"the load's, again":    {generate(tuned), adapted},
		"another in the call":  {generate(tuned, use(0)), base},
		"the call's, no trace": {generate(plain), base},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v\nwant %v", name, c.got, c.want)
		}
	}
	if slices.Equal(base, adapted) {
		t.Error("the adapter changes nothing")
	}
	batch, err := plain.BatchGenerate(background, []string{g.Prompt}, use(1), inference.WithMaxTokens(24))
	if err != nil || !slices.Equal(idsOf(batch[0].Tokens), adapted) {
		t.Errorf("batch: %v, %v", batch, err)
	}
	classes, err := plain.Classify(background, []string{g.Prompt}, use(-8))
	other, err2 := plain.Classify(background, []string{g.Prompt})
	if err = errors.Join(err, err2); err != nil || other[0].Token.ID != base[0] ||
		classes[0].Token.ID != generate(plain, use(-8))[0] {
		t.Errorf("classify: %v and %v, %v", classes, other, err)
	}
	for range plain.Generate(background, "x", inference.WithAdapters(inference.AdapterRef{Path: "/no/such"})) {
		t.Error("there is no such adapter")
	}
	if !errors.Is(plain.Err(), opencl.ErrNotFound) {
		t.Error(plain.Err())
	}
}

func TestFacade_Good(t *testing.T) {
	m := sharedText(t)
	if _, ok := m.(textbackend.MemoryManager); !ok {
		t.Error("the facade could not bound its memory")
	}
	b, err := textbackend.FromModel("opencl", m, textbackend.WithMemoryLimits(1<<30, 0))
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Generate(background, "Hi", textbackend.GenOpts{MaxTokens: 8, Temperature: 1e-3})
	messages := []inference.Message{{Role: "user", Content: "Hi"}}
	if _, want := collect(t, m, m.Chat(background, messages, inference.WithMaxTokens(8))); err != nil || got != strings.TrimLeft(want, " ") {
		t.Errorf("%q, want %q; %v", got, want, err)
	}
}

func TestRealModel_Good(t *testing.T) {
	path := os.Getenv("INFERENCE_SMOLLM2")
	if path == "" {
		t.Skip("INFERENCE_SMOLLM2 is not set: scripts/fetch_models.sh fetches the model")
	}
	m, err := loadTextFrom(t, path)
	if err != nil {
		t.Fatal(err)
	}
	question := []inference.Message{{Role: "user", Content: "What is the capital of France?"}}
	if _, text := collect(t, m, m.Chat(background, question, inference.WithMaxTokens(16))); !strings.Contains(text, "Paris") {
		t.Errorf("%q", text)
	}
	if info := m.Info(); info.QuantBits != 4 || info.QuantGroup != 32 {
		t.Errorf("%+v", info)
	}
}
