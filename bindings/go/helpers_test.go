package inference_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"libinference.dev/inference"
)

const tinyFolder = "../../tests/data/golden/tiny/llama-gqa"

// golden is what the reference implementation gives for the tiny model.
type golden struct {
	Prompts []struct {
		Text    string
		IDs     []int32
		Decoded string
	}
	Chats []struct {
		Messages json.RawMessage
		Text     string
		IDs      []int32
	}
	Generate []struct {
		Prompt string
		IDs    []int32
	}
}

func loadGolden(t testing.TB) (g golden) {
	t.Helper()
	bytes, err := os.ReadFile(filepath.Join(tinyFolder, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(bytes, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// One runtime and one model of each kind serve all tests: they are made for concurrent use.
var sharedRuntime = sync.OnceValues(func() (*inference.Runtime, error) {
	return inference.NewRuntime(inference.RuntimeConfig{})
})

var sharedModels sync.Map // path -> func() (*inference.Model, error)

func loadShared(t testing.TB, path string) *inference.Model {
	t.Helper()
	load, _ := sharedModels.LoadOrStore(path, sync.OnceValues(func() (*inference.Model, error) {
		runtime, err := sharedRuntime()
		if err != nil {
			return nil, err
		}
		return runtime.LoadModel(context.Background(), path, inference.LoadConfig{})
	}))
	model, err := load.(func() (*inference.Model, error))()
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func tinyModel(t testing.TB) *inference.Model {
	return loadShared(t, filepath.Join(tinyFolder, "model"))
}

func smolLM2(t testing.TB) *inference.Model {
	path := os.Getenv("INFERENCE_SMOLLM2")
	if path == "" {
		t.Skip("INFERENCE_SMOLLM2 is not set: scripts/fetch_models.sh fetches the model")
	}
	return loadShared(t, path)
}

func newSession(t testing.TB, model *inference.Model) *inference.Session {
	t.Helper()
	session, err := model.NewSession(inference.SessionConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func tokenizerOf(t testing.TB, model *inference.Model) *inference.Tokenizer {
	t.Helper()
	tokenizer, err := model.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tokenizer.Close() })
	return tokenizer
}

// answer collects a stream, which must end without an error.
func answer(t testing.TB, session *inference.Session, prompt inference.Prompt, opts ...inference.GenerateOption) ([]int32, string) {
	t.Helper()
	var ids []int32
	var text strings.Builder
	for token, err := range session.Generate(context.Background(), prompt, opts...) {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(token.Text)
		if token.ID >= 0 {
			ids = append(ids, token.ID)
		}
	}
	return ids, text.String()
}
