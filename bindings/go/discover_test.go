package inference

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// folder makes a folder of files; a text of "/" makes a folder in it.
func folder(t *testing.T, path string, files map[string]string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		var err error
		if file := filepath.Join(path, name); text == "/" {
			err = os.Mkdir(file, 0o755)
		} else {
			err = os.WriteFile(file, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func discover(t *testing.T, dir string) []DiscoveredModel {
	t.Helper()
	models, err := Discover(dir)
	if err != nil {
		t.Fatal(err)
	}
	return models
}

func TestDiscover_Good(t *testing.T) {
	base := folder(t, t.TempDir(), map[string]string{"config.json": `{"model_type":"llama"}`, "model.safetensors": ""})
	qwen := folder(t, filepath.Join(base, "b-qwen"), map[string]string{
		"config.json":                      `{"model_type":"qwen3","quantization":{"bits":4,"group_size":64}}`,
		"model-00001-of-00002.safetensors": "", "model-00002-of-00002.safetensors": "", "tokenizer.json": "{}"})
	gemma := folder(t, filepath.Join(base, "a-gemma"), map[string]string{
		"config.json": `{"model_type":"gemma3","text_config":{"model_type":"gemma3_text"}}`, "x.safetensors": ""})
	want := []DiscoveredModel{
		{Path: base, ModelType: "llama", NumFiles: 1},
		{Path: gemma, ModelType: "gemma3", NumFiles: 1},
		{Path: qwen, ModelType: "qwen3", QuantBits: 4, QuantGroup: 64, NumFiles: 2},
	}
	if got := discover(t, base); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestDiscover_Good_AbsolutePath(t *testing.T) {
	base := folder(t, t.TempDir(), nil)
	folder(t, filepath.Join(base, "m"), map[string]string{"config.json": `{}`, "a.safetensors": ""})
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir(base); err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(here)
	got := discover(t, ".")
	if len(got) != 1 || !filepath.IsAbs(got[0].Path) || filepath.Base(got[0].Path) != "m" {
		t.Errorf("%+v", got)
	}
}

func TestDiscover_Bad_NoModels(t *testing.T) {
	base := folder(t, t.TempDir(), map[string]string{"README.md": "x", "empty": "/"})
	folder(t, filepath.Join(base, "no-weights"), map[string]string{"config.json": `{}`, "model.bin": ""})
	folder(t, filepath.Join(base, "no-config"), map[string]string{"model.safetensors": ""})
	folder(t, filepath.Join(base, "weights-are-a-folder"), map[string]string{"config.json": `{}`, "model.safetensors": "/"})
	folder(t, filepath.Join(base, "config-is-a-folder"), map[string]string{"config.json": "/", "model.safetensors": ""})
	folder(t, filepath.Join(base, "a/deep"), map[string]string{"config.json": `{}`, "model.safetensors": ""})
	if got := discover(t, base); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestDiscover_Bad_Unreadable(t *testing.T) {
	base := folder(t, t.TempDir(), map[string]string{"file": "x"})
	if _, err := Discover(filepath.Join(base, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if _, err := Discover(filepath.Join(base, "file")); err == nil {
		t.Error("a file is no folder")
	}
}

func TestDiscover_Ugly_Config(t *testing.T) {
	for text, want := range map[string]DiscoveredModel{
		`{"model_type":`:                  {NumFiles: 1},
		``:                                {NumFiles: 1},
		`[]`:                              {NumFiles: 1},
		`{"model_type":7}`:                {NumFiles: 1},
		`{"quantization":null}`:           {NumFiles: 1},
		`{"quantization":{"bits":"4"}}`:   {NumFiles: 1},
		`{"model_type":"x","extra":[{}]}`: {ModelType: "x", NumFiles: 1},
	} {
		want.Path = folder(t, t.TempDir(), map[string]string{"config.json": text, "m.safetensors": ""})
		if got := discover(t, want.Path); !reflect.DeepEqual(got, []DiscoveredModel{want}) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestDiscover_Ugly_LinkToAFolder(t *testing.T) {
	elsewhere := folder(t, t.TempDir(), map[string]string{"config.json": `{}`, "m.safetensors": ""})
	base := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(base, "link")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("loop", filepath.Join(base, "loop")); err != nil {
		t.Fatal(err)
	}
	if got := discover(t, base); len(got) != 1 || got[0].Path != filepath.Join(base, "link") {
		t.Errorf("%+v", got)
	}
}
