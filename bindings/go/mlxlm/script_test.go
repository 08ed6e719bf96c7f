//go:build !nomlxlm

package mlxlm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestScript_Good_OncePerProcess(t *testing.T) {
	path, err := Script()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Script()
	if err != nil || again != path {
		t.Errorf("%s, then %s, %v", path, again, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 || filepath.Base(path) != "bridge.py" ||
		!strings.HasPrefix(filepath.Base(filepath.Dir(path)), "mlxlm-") {
		t.Errorf("%s: %v, %v", path, info, err)
	}
	text, err := os.ReadFile(path)
	want, _ := os.ReadFile("bridge.py")
	if err != nil || string(text) != string(want) {
		t.Errorf("%d bytes, want %d; %v", len(text), len(want), err)
	}
}

func TestScript_Ugly_FolderWasCleaned(t *testing.T) {
	path, err := Script()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	again, err := Script()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(again); err != nil {
		t.Error(err)
	}
}

func TestScript_Bad(t *testing.T) {
	files := fstest.MapFS{"bridge.py": {Data: []byte("pass")}}
	_, err := extract(fstest.MapFS{}, os.MkdirTemp)
	wantText(t, err, "mlxlm: read embedded bridge.py: ")
	_, err = extract(files, func(string, string) (string, error) { return "", errors.New("full") })
	if err == nil || err.Error() != "mlxlm: create temp dir: full" {
		t.Error(err)
	}
	_, err = extract(files, func(string, string) (string, error) { return "/no/such/folder", nil })
	wantText(t, err, "mlxlm: write bridge.py: ")
}
