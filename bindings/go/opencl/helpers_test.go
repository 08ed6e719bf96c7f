//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"libinference.dev/inference/opencl"
)

const tinyFolder = "../../../tests/data/golden/tiny/llama-gqa"

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
var sharedRuntime = sync.OnceValues(func() (*opencl.Runtime, error) {
	return opencl.NewRuntime(opencl.RuntimeConfig{})
})

var sharedModels sync.Map // path -> func() (*opencl.Model, error)

func loadShared(t testing.TB, path string) *opencl.Model {
	t.Helper()
	load, _ := sharedModels.LoadOrStore(path, sync.OnceValues(func() (*opencl.Model, error) {
		runtime, err := sharedRuntime()
		if err != nil {
			return nil, err
		}
		return runtime.LoadModel(context.Background(), path, opencl.LoadConfig{})
	}))
	model, err := load.(func() (*opencl.Model, error))()
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func tinyModel(t testing.TB) *opencl.Model {
	return loadShared(t, filepath.Join(tinyFolder, "model"))
}

func smolLM2(t testing.TB) *opencl.Model {
	path := os.Getenv("INFERENCE_SMOLLM2")
	if path == "" {
		t.Skip("INFERENCE_SMOLLM2 is not set: scripts/fetch_models.sh fetches the model")
	}
	return loadShared(t, path)
}

func newSession(t testing.TB, model *opencl.Model) *opencl.Session {
	t.Helper()
	session, err := model.NewSession(opencl.SessionConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func tokenizerOf(t testing.TB, model *opencl.Model) *opencl.Tokenizer {
	t.Helper()
	tokenizer, err := model.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tokenizer.Close() })
	return tokenizer
}

// answer collects a stream, which must end without an error.
func answer(t testing.TB, session *opencl.Session, prompt opencl.Prompt, opts ...opencl.GenerateOption) ([]int32, string) {
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
