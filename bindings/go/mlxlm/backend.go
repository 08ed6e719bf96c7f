//go:build !nomlxlm

package mlxlm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"libinference.dev/inference"
)

func init() { inference.Register(NewBackend(Config{})) }

// Config says which program a backend drives; its zero value is the backend "mlx_lm".
type Config struct {
	Name    string    // of the backend; "" = "mlx_lm"
	Command []string  // program and arguments; nil = python3 -u Script()
	Env     []string  // of the child, as in exec.Cmd; nil = this process's
	Stderr  io.Writer // gets a copy of the child's stderr; nil = only its end is kept, for error texts
}

// NewBackend returns a backend whose models are child processes that speak the protocol. It is not
// registered.
func NewBackend(config Config) inference.Backend {
	if config.Name == "" {
		config.Name = "mlx_lm"
	}
	return &backend{config}
}

type backend struct{ config Config }

func (b *backend) Name() string { return b.config.Name }

// Available reports whether the program is found; whether mlx-lm is installed shows when a model loads.
func (b *backend) Available() bool {
	program := "python3"
	if len(b.config.Command) > 0 {
		program = b.config.Command[0]
	}
	_, err := exec.LookPath(program)
	return err == nil
}

// LoadModel starts a child and loads the model in it.
func (b *backend) LoadModel(path string, opts ...inference.LoadOption) (inference.TextModel, error) {
	command := b.config.Command
	if len(command) == 0 {
		bridge, err := Script()
		if err != nil {
			return nil, err
		}
		command = []string{"python3", "-u", bridge}
	}
	p, err := start(command, b.config.Env, b.config.Stderr)
	if err != nil {
		return nil, err
	}
	m := &model{process: p, turn: make(chan struct{}, 1), drainIdle: 10 * time.Second}
	if err := m.load(path, inference.ApplyLoadOpts(opts)); err != nil {
		p.kill()
		return nil, err
	}
	return m, nil
}

// load sends what the options change alone: a bridge that knows nothing but "path" serves the defaults.
func (m *model) load(path string, cfg inference.LoadConfig) error {
	request := map[string]any{"cmd": "load", "path": path}
	if cfg.ContextLen > 0 {
		request["context_len"] = cfg.ContextLen
	}
	if cfg.GPULayers >= 0 {
		request["gpu_layers"] = cfg.GPULayers
	}
	if len(cfg.Adapters) > 0 {
		request["adapters"] = adapters(cfg.Adapters)
	}
	ctx := context.Background()
	if err := m.process.send(ctx, request); err != nil {
		return fmt.Errorf("mlxlm: send load: %w", err)
	}
	reply, err := m.process.recv(ctx)
	if err != nil {
		return fmt.Errorf("mlxlm: recv load response: %w", err)
	}
	if text, failed := reply.failure(); failed {
		return errors.New("mlxlm: " + text)
	}
	m.modelType, m.vocabSize = reply.text("model_type"), reply.integer("vocab_size")
	return m.askInfo(ctx)
}

// askInfo asks once, so that Info has nothing to wait for while a generation runs.
func (m *model) askInfo(ctx context.Context) error {
	if err := m.process.send(ctx, map[string]any{"cmd": "info"}); err != nil {
		return fmt.Errorf("mlxlm: send info: %w", err)
	}
	reply, err := m.process.recv(ctx)
	if err != nil {
		return fmt.Errorf("mlxlm: recv info response: %w", err)
	}
	if _, failed := reply.failure(); !failed {
		m.info = inference.ModelInfo{
			Architecture: m.modelType,
			VocabSize:    m.vocabSize,
			NumLayers:    reply.integer("layers"),
			HiddenSize:   reply.integer("hidden_size"),
			QuantBits:    reply.integer("quant_bits"),
			QuantGroup:   reply.integer("quant_group"),
		}
	}
	return nil
}

func adapters(list []inference.AdapterRef) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, a := range list {
		out[i] = map[string]any{"path": a.Path, "scale": a.Scale}
	}
	return out
}
