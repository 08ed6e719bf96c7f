package inference

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// DiscoveredModel is a folder with a config.json and weights that Discover has found.
type DiscoveredModel struct {
	Path       string // absolute
	ModelType  string // of config.json; "" where it cannot be read
	QuantBits  int    // 0 = not quantised, or not told
	QuantGroup int
	NumFiles   int // *.safetensors
}

// Discover lists the models at dir: dir itself first, then its direct subfolders, by name. A model is a
// folder with a config.json and at least one *.safetensors.
func Discover(dir string) ([]DiscoveredModel, error) {
	base, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("inference: discover %s: %w", dir, err)
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil, fmt.Errorf("inference: discover %s: %w", dir, err)
	}
	var models []DiscoveredModel
	if m, ok := probe(base); ok {
		models = append(models, m)
	}
	for _, entry := range entries {
		if m, ok := probe(filepath.Join(base, entry.Name())); ok { // follows a link to a folder
			models = append(models, m)
		}
	}
	return models, nil
}

// probe describes the model in a folder; false where there is none, or no folder.
func probe(folder string) (DiscoveredModel, bool) {
	text, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		return DiscoveredModel{}, false
	}
	m := DiscoveredModel{Path: folder}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return DiscoveredModel{}, false
	}
	for _, entry := range entries {
		if !entry.IsDir() && filepath.Ext(entry.Name()) == ".safetensors" {
			m.NumFiles++
		}
	}
	if m.NumFiles == 0 {
		return DiscoveredModel{}, false
	}
	var config struct {
		ModelType    string `json:"model_type"`
		Quantization struct {
			Bits      int `json:"bits"`
			GroupSize int `json:"group_size"`
		} `json:"quantization"`
	}
	if json.Unmarshal(text, &config) == nil { // else the folder is listed without a type
		m.ModelType = config.ModelType
		m.QuantBits, m.QuantGroup = config.Quantization.Bits, config.Quantization.GroupSize
	}
	return m, true
}
