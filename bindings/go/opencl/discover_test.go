//go:build cgo && !noopencl

package opencl_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libinference.dev/inference/opencl"
)

func discover(t *testing.T, dir string, options map[string]any) []opencl.FoundModel {
	t.Helper()
	runtime, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	found, err := runtime.Discover(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// fakeModel is a model as far as discovery looks; its weights are noise.
func fakeModel(t *testing.T, path, config string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"config.json": config, "model.safetensors": "noise", "tokenizer.json": "{}",
	} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func realPath(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if absolute, err = filepath.EvalSymlinks(absolute); err != nil {
		t.Fatal(err)
	}
	return absolute
}

func TestDiscoverModelThatLoads(t *testing.T) {
	path := realPath(t, tinyFolder+"/model")
	weights, err := os.Stat(path + "/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	want := opencl.FoundModel{
		Path: path, Format: "safetensors", Architecture: "llama", Quantization: "BF16",
		FileCount: 1, Bytes: uint64(weights.Size()), Loadable: true,
	}
	found := discover(t, path, nil)
	if len(found) != 1 || found[0] != want {
		t.Errorf("found %+v, want %+v", found, want)
	}
}

func TestDiscoverInOrderAndWithTheReason(t *testing.T) {
	dir := realPath(t, t.TempDir())
	if found := discover(t, dir, nil); len(found) != 0 {
		t.Errorf("empty folder: %+v", found)
	}
	fakeModel(t, dir+"/b\xff", `{"model_type": "mamba9"}`)
	fakeModel(t, dir+"/a", `{"model_type": "llama", "quantization": {"bits": 4, "group_size": 64}}`)
	found := discover(t, dir, nil)
	if len(found) != 2 || found[0].Path != dir+"/a" || found[1].Path != dir+"/b\xff" {
		t.Fatalf("found %+v", found)
	}
	if a := found[0]; !a.Loadable || a.QuantBits != 4 || a.QuantGroup != 64 {
		t.Errorf("a: %+v", a)
	}
	if b := found[1]; b.Loadable || !strings.Contains(b.Reason, "model_type: is 'mamba9'") {
		t.Errorf("b: %+v", b)
	}
}

func TestDiscoverLinksByOptionOnly(t *testing.T) {
	dir := t.TempDir()
	fakeModel(t, dir+"/m", `{"model_type": "llama"}`)
	weights := dir + "/m/model.safetensors"
	if err := os.Rename(weights, dir+"/blob"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../blob", weights); err != nil {
		t.Fatal(err)
	}
	found := discover(t, dir, nil)
	if len(found) != 1 || found[0].Loadable ||
		!strings.Contains(found[0].Reason, "model.safetensors: links to ") {
		t.Errorf("without the option: %+v", found)
	}
	found = discover(t, dir, map[string]any{"allow_symlinks": 1})
	if len(found) != 1 || !found[0].Loadable || found[0].Bytes != 5 {
		t.Errorf("with the option: %+v", found)
	}
}

func TestDiscoverErrors(t *testing.T) {
	runtime, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runtime.Discover("/no/such", nil); !errors.Is(err, opencl.ErrNotFound) {
		t.Errorf("missing folder: %v", err)
	}
	options := map[string]any{"no_such_option": 1}
	_, err = runtime.Discover(t.TempDir(), options)
	if err == nil || !strings.Contains(err.Error(), "no option 'no_such_option'") {
		t.Errorf("unknown option: %v", err)
	}
}
