//go:build !nomlxlm

package mlxlm

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

//go:embed bridge.py
var embedded embed.FS

var script struct {
	sync.Mutex
	path string
}

// Script returns the path of the bridge for mlx-lm, written to a temporary folder once per process:
//
//	mlxlm.NewBackend(mlxlm.Config{Command: []string{"/venv/bin/python", "-u", path}})
func Script() (string, error) {
	script.Lock()
	defer script.Unlock()
	if script.path != "" {
		if _, err := os.Stat(script.path); err == nil { // temporary folders get cleaned
			return script.path, nil
		}
	}
	path, err := extract(embedded, os.MkdirTemp)
	if err == nil {
		script.path = path
	}
	return path, err
}

func extract(files fs.FS, mkdirTemp func(dir, pattern string) (string, error)) (string, error) {
	text, err := fs.ReadFile(files, "bridge.py")
	if err != nil {
		return "", fmt.Errorf("mlxlm: read embedded bridge.py: %w", err)
	}
	dir, err := mkdirTemp("", "mlxlm-*")
	if err != nil {
		return "", fmt.Errorf("mlxlm: create temp dir: %w", err)
	}
	path := filepath.Join(dir, "bridge.py")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", fmt.Errorf("mlxlm: write bridge.py: %w", err)
	}
	return path, nil
}
