package inference

import "fmt"

// LoRAConfig says which adapter TrainableModel.ApplyLoRA puts on a model.
type LoRAConfig struct {
	Rank       int
	Alpha      float32  // the adapter's output is scaled by Alpha / Rank
	TargetKeys []string // linear layers: "q_proj", "v_proj", ...
	BFloat16   bool     // the adapter's own type; false = float32
}

// DefaultLoRAConfig is rank 8, alpha 16, on q_proj and v_proj, in float32.
func DefaultLoRAConfig() LoRAConfig {
	return LoRAConfig{Rank: 8, Alpha: 16, TargetKeys: []string{"q_proj", "v_proj"}}
}

// Adapter is a LoRA adapter that is being trained.
type Adapter interface {
	// TotalParams is the number of trainable values.
	TotalParams() int

	// Save writes the adapter as safetensors.
	Save(path string) error
}

// TrainableModel is a model that LoRA adapters can be trained on. Backends implement it if they can.
type TrainableModel interface {
	TextModel

	// ApplyLoRA puts a new adapter on the model, whose own weights stay as they are.
	ApplyLoRA(cfg LoRAConfig) Adapter

	// Encode and Decode are the model's tokenizer.
	Encode(text string) []int32
	Decode(ids []int32) string

	NumLayers() int
}

// LoadTrainable is LoadModel for a model that must be trainable.
func LoadTrainable(path string, opts ...LoadOption) (TrainableModel, error) {
	b, err := choose(ApplyLoadOpts(opts))
	if err != nil {
		return nil, err
	}
	m, err := b.LoadModel(path, opts...)
	if err != nil {
		return nil, err
	}
	if t, ok := m.(TrainableModel); ok {
		return t, nil
	}
	_ = m.Close()
	return nil, fmt.Errorf("inference: backend %q does not support training", b.Name())
}
