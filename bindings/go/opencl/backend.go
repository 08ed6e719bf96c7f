//go:build cgo && !noopencl

package opencl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"libinference.dev/inference"
)

func init() { inference.Register(NewBackend(BackendConfig{})) }

// BackendConfig says how a backend of the contract uses the library; its zero value is the backend "opencl".
type BackendConfig struct {
	Name    string   // "" = "opencl"
	Runtime *Runtime // nil = one of the backend's own, made when it is first needed and kept
	// Options of all models by key, as in LoadConfig. WithContextLen, WithGPULayers and WithParallelSlots win over
	// "n_ctx", "device" and "parallel_slots".
	Options map[string]any
}

// NewBackend returns a backend of the contract. It is not registered.
func NewBackend(config BackendConfig) inference.Backend {
	if config.Name == "" {
		config.Name = "opencl"
	}
	b := &backend{config: config}
	b.runtime = sync.OnceValues(func() (*Runtime, error) {
		if config.Runtime != nil {
			return config.Runtime, nil
		}
		return NewRuntime(RuntimeConfig{})
	})
	return b
}

type backend struct {
	config  BackendConfig
	runtime func() (*Runtime, error)
}

func (b *backend) Name() string { return b.config.Name }

// Available reports whether there is an OpenCL device.
func (b *backend) Available() bool {
	runtime, err := b.runtime()
	if err != nil {
		return false
	}
	devices, err := runtime.Devices()
	return err == nil && len(devices) > 0
}

// LoadModel loads a GGUF file, or a folder with config.json and *.safetensors. Of WithGPULayers it takes all (-1: the
// default device) and none (0: a CPU device). WithParallelSlots bounds the calls that run at once, by default one.
func (b *backend) LoadModel(path string, opts ...inference.LoadOption) (inference.TextModel, error) {
	cfg := inference.ApplyLoadOpts(opts)
	options, err := b.options(cfg)
	if err != nil {
		return nil, err
	}
	runtime, err := b.runtime()
	if err != nil {
		return nil, err
	}
	model, err := runtime.LoadModel(context.Background(), path, LoadConfig{Options: options})
	if err != nil {
		return nil, err
	}
	m := &textModel{runtime: runtime, model: model, slots: make(chan struct{}, max(cfg.ParallelSlots, 1)),
		adapters: map[string]*Adapter{}}
	m.closing, m.close = context.WithCancelCause(context.Background())
	if err := m.prepare(cfg); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

func (b *backend) options(cfg inference.LoadConfig) (map[string]any, error) {
	options := maps.Clone(b.config.Options)
	if options == nil {
		options = map[string]any{}
	}
	if cfg.ContextLen < 0 {
		return nil, fmt.Errorf("opencl: context length is %d, want 0 or more", cfg.ContextLen)
	}
	if cfg.ContextLen > 0 {
		options["n_ctx"] = cfg.ContextLen
	}
	if cfg.ParallelSlots < 0 || cfg.ParallelSlots > maxSlots {
		return nil, fmt.Errorf("opencl: parallel slots are %d, want 0 to %d", cfg.ParallelSlots, maxSlots)
	}
	if cfg.ParallelSlots > 0 {
		options["parallel_slots"] = cfg.ParallelSlots
	}
	if cfg.GPULayers == 0 {
		options["device"] = "cpu"
	}
	return options, nil
}

const maxSlots = 64 // of the library's option

// prepare reads what a model is asked for later.
func (m *textModel) prepare(cfg inference.LoadConfig) (err error) {
	if m.info, err = m.model.Info(); err != nil {
		return err
	}
	if n := cfg.GPULayers; n > 0 && n < m.info.NumLayers {
		return fmt.Errorf("opencl: GPU layers are %d of %d: a model runs on one device, want all (-1) or none (0)", n,
			m.info.NumLayers)
	}
	if m.tokenizer, err = m.model.Tokenizer(); err != nil {
		return err
	}
	m.adaptersOfLoad, err = m.adapterUses(context.Background(), cfg.Adapters)
	return err
}

var errModelClosed = errors.New("opencl: model is closed")
