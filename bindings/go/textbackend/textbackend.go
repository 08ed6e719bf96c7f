// Package textbackend is a facade of strings and callbacks over any inference.TextModel.
//
//	b, err := textbackend.New("/path/to/model")
//	defer b.Close()
//	answer, err := b.Chat(ctx, []textbackend.Message{{Role: "user", Content: "Hello"}}, textbackend.DefaultGenOpts())
//
// Its defaults differ from the contract's: a temperature of 0 means 0.1, not greedy, and no MaxTokens
// means 2048. The text has no leading spaces in its first token. A call that ends early, by its context, by its
// callback or by the model, returns the text so far with the error.
//
// Calls run one after the other; a context may end while its call waits.
package textbackend

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"

	"libinference.dev/inference"
)

// Message is one turn of a conversation.
type Message = inference.Message

// TokenCallback gets the text of each token; an error stops the generation and is returned.
type TokenCallback func(token string) error

// GenOpts says how to generate.
type GenOpts struct {
	Temperature float64 // 0 = 0.1
	MaxTokens   int     // 0 = 2048
	Model       string  // for backends that serve several models: of no meaning here
}

// DefaultGenOpts is a temperature of 0.1.
func DefaultGenOpts() GenOpts { return GenOpts{Temperature: defaultTemperature} }

const (
	defaultTemperature = 0.1
	defaultMaxTokens   = 2048
)

// Backend generates text.
type Backend interface {
	Generate(ctx context.Context, prompt string, opts GenOpts) (string, error)
	Chat(ctx context.Context, messages []Message, opts GenOpts) (string, error)
	Name() string
	Available() bool
}

// StreamingBackend hands the text to a callback, token by token.
type StreamingBackend interface {
	Backend
	GenerateStream(ctx context.Context, prompt string, opts GenOpts, cb TokenCallback) error
	ChatStream(ctx context.Context, messages []Message, opts GenOpts, cb TokenCallback) error
}

// TextBackend is a model behind this facade.
type TextBackend struct {
	name       string
	available  func() bool
	model      inference.TextModel
	config     config
	turn       chan struct{} // holds a value while a call runs
	modelBytes uint64        // active memory once the model was loaded
}

var _ StreamingBackend = (*TextBackend)(nil)

// Option changes a default of New and FromModel.
type Option func(*config)

type config struct {
	load        []inference.LoadOption
	style       Style
	cacheLimit  uint64
	memoryLimit uint64
	limitsAsked bool // rather than the defaults of New
	logger      *slog.Logger
}

// WithLoadOptions hands options to the registry and the backend.
func WithLoadOptions(opts ...inference.LoadOption) Option {
	return func(c *config) { c.load = append(c.load, opts...) }
}

// WithStyle says how prompts are formatted; the default is the model's own template.
func WithStyle(style Style) Option { return func(c *config) { c.style = style } }

// WithMemoryLimits bounds device memory, in bytes: what is kept for reuse, and all together. 0 leaves a limit
// as it is. An error where the model is no MemoryManager.
func WithMemoryLimits(cache, memory uint64) Option {
	return func(c *config) { c.cacheLimit, c.memoryLimit, c.limitsAsked = cache, memory, true }
}

// WithLogger takes the place of slog.Default.
func WithLogger(logger *slog.Logger) Option { return func(c *config) { c.logger = logger } }

func newConfig(c config, opts []Option) config {
	for _, opt := range opts {
		opt(&c)
	}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	return c
}

// New loads the model at path with a backend of the registry. Device memory is limited to 24 GiB, of which
// 16 GiB may be kept for reuse, where the model is a MemoryManager.
func New(path string, opts ...Option) (*TextBackend, error) {
	config := newConfig(config{cacheLimit: 16 << 30, memoryLimit: 24 << 30}, opts)
	name := inference.ApplyLoadOpts(config.load).Backend
	if name == "" {
		backend, err := inference.Default()
		if err != nil {
			return nil, err
		}
		name = backend.Name()
	}
	config.logger.Info("textbackend: loading model", "path", path, "backend", name)
	model, err := inference.LoadModel(path, append(config.load, inference.WithBackend(name))...)
	if err != nil {
		return nil, fmt.Errorf("textbackend: load model: %w", err)
	}
	available := func() bool {
		backend, ok := inference.Get(name)
		return ok && backend.Available()
	}
	b, err := newBackend(name, available, model, config)
	if err != nil {
		_ = model.Close()
		return nil, err
	}
	config.logger.Info("textbackend: model loaded", "layers", model.Info().NumLayers, "memory_mb", b.modelBytes>>20)
	return b, nil
}

// FromModel puts the facade over a model, which Close closes; after an error it stays the caller's. The
// name is what Name returns. Limits of memory are left alone but for WithMemoryLimits.
func FromModel(name string, model inference.TextModel, opts ...Option) (*TextBackend, error) {
	return newBackend(name, func() bool { return true }, model, newConfig(config{}, opts))
}

func newBackend(name string, available func() bool, model inference.TextModel, config config) (*TextBackend, error) {
	b := &TextBackend{name: name, available: available, model: model, config: config, turn: make(chan struct{}, 1)}
	if err := b.limitMemory(); err != nil {
		return nil, err
	}
	return b, nil
}

// Name is that of the backend that loaded the model.
func (b *TextBackend) Name() string { return b.name }

// Available reports whether the backend can run on this machine.
func (b *TextBackend) Available() bool { return b.available() }

// Model is what the facade stands on.
func (b *TextBackend) Model() inference.TextModel { return b.model }

// Close closes the model.
func (b *TextBackend) Close() error { return b.model.Close() }

// Generate answers a prompt: the one user turn of a conversation.
func (b *TextBackend) Generate(ctx context.Context, prompt string, opts GenOpts) (string, error) {
	return b.run(ctx, []Message{{Role: "user", Content: prompt}}, opts, nil)
}

// Chat gives the next turn of a conversation.
func (b *TextBackend) Chat(ctx context.Context, messages []Message, opts GenOpts) (string, error) {
	return b.run(ctx, messages, opts, nil)
}

// GenerateStream is Generate, token by token.
func (b *TextBackend) GenerateStream(ctx context.Context, prompt string, opts GenOpts, cb TokenCallback) error {
	_, err := b.run(ctx, []Message{{Role: "user", Content: prompt}}, opts, cb)
	return err
}

// ChatStream is Chat, token by token.
func (b *TextBackend) ChatStream(ctx context.Context, messages []Message, opts GenOpts, cb TokenCallback) error {
	_, err := b.run(ctx, messages, opts, cb)
	return err
}

func (b *TextBackend) run(ctx context.Context, messages []Message, opts GenOpts, cb TokenCallback) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer b.checkMemory()

	var text strings.Builder
	first := true
	for token := range b.stream(ctx, messages, opts) {
		piece := token.Text
		if first {
			piece = strings.TrimLeft(piece, " ")
			first = false
		}
		text.WriteString(piece)
		if cb != nil {
			if err := cb(piece); err != nil {
				return text.String(), err
			}
		}
	}
	return text.String(), b.model.Err()
}

func (b *TextBackend) stream(ctx context.Context, messages []Message, opts GenOpts) iter.Seq[inference.Token] {
	if opts.Temperature == 0 {
		opts.Temperature = defaultTemperature
	}
	if opts.MaxTokens == 0 {
		opts.MaxTokens = defaultMaxTokens
	}
	options := []inference.GenerateOption{
		inference.WithTemperature(float32(opts.Temperature)),
		inference.WithMaxTokens(opts.MaxTokens),
	}
	if b.config.style == StyleModel {
		return b.model.Chat(ctx, messages, options...)
	}
	return b.model.Generate(ctx, b.config.style.format(b.model.ModelType(), messages), options...)
}
