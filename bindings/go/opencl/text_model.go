//go:build cgo && !noopencl

package opencl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"

	"libinference.dev/inference"
)

// textModel is a model behind the contract. Each call has a session of its own, so calls know nothing of each
// other.
type textModel struct {
	runtime        *Runtime
	model          *Model
	tokenizer      *Tokenizer
	info           ModelInfo
	adaptersOfLoad []AdapterUse

	slots   chan struct{} // holds a value for each call that runs
	closing context.Context
	close   context.CancelCauseFunc

	adaptersMu sync.Mutex
	adapters   map[string]*Adapter // by path

	mu      sync.Mutex
	err     error // of the stream that finished last
	metrics inference.GenerateMetrics
}

var _ inference.TextModel = (*textModel)(nil)

// Generate streams the continuation of prompt, in which special tokens may be written. A last token with ID -1
// is no token but text that was held back.
func (m *textModel) Generate(ctx context.Context, prompt string, opts ...inference.GenerateOption) iter.Seq[inference.Token] {
	cfg := inference.ApplyGenerateOpts(opts)
	return m.stream(ctx, cfg, func() (Prompt, func(), error) { return Markup(prompt), func() {}, nil })
}

func (m *textModel) Chat(ctx context.Context, messages []inference.Message, opts ...inference.GenerateOption) iter.Seq[inference.Token] {
	cfg := inference.ApplyGenerateOpts(opts)
	return m.stream(ctx, cfg, func() (Prompt, func(), error) {
		chat, err := m.chat(messages)
		if err != nil {
			return nil, nil, err
		}
		return chat, func() { _ = chat.Close() }, nil
	})
}

func (m *textModel) chat(messages []inference.Message) (*Chat, error) {
	chat, err := m.tokenizer.NewChat()
	if err != nil {
		return nil, err
	}
	for _, message := range messages {
		if err := chat.Add(message.Role, message.Content); err != nil {
			chat.Close()
			return nil, err
		}
	}
	return chat, nil
}

// stream is one generation a loop; prompt makes what it continues, and a function that gives it back.
func (m *textModel) stream(ctx context.Context, cfg inference.GenerateConfig,
	prompt func() (Prompt, func(), error)) iter.Seq[inference.Token] {
	return func(yield func(inference.Token) bool) {
		var result Result
		var err error
		defer func() { m.finish(metricsOf(result), err) }() // also where the loop is left, or panics
		var inner context.Context
		var leave func()
		if inner, leave, err = m.enter(ctx); err != nil {
			return
		}
		defer leave()
		if err = m.run(inner, cfg, prompt, &result, yield); err != nil {
			err = m.reason(ctx, err)
		}
	}
}

func (m *textModel) run(ctx context.Context, cfg inference.GenerateConfig, prompt func() (Prompt, func(), error),
	result *Result, yield func(inference.Token) bool) error {
	if cfg.MaxTokens <= 0 {
		return nil
	}
	options, err := m.options(ctx, cfg)
	if err != nil {
		return err
	}
	p, giveBack, err := prompt()
	if err != nil {
		return err
	}
	defer giveBack()
	session, err := m.model.NewSession(SessionConfig{})
	if err != nil {
		return err
	}
	defer session.Close()
	for token, err := range session.Generate(ctx, p, append(options, WithResult(result))...) {
		if err != nil {
			return err
		}
		if !yield(inference.Token{ID: token.ID, Text: token.Text}) {
			return nil
		}
		if m.closing.Err() != nil { // do not wait for the goroutine that ends ctx
			return errModelClosed
		}
	}
	return contextFull(*result)
}

// contextFull makes an error of a text that has no end, as nothing else would tell.
func contextFull(result Result) error {
	if result.Finish != FinishContextFull {
		return nil
	}
	return &Error{Status: ErrContextFull, Message: fmt.Sprintf(
		"context: is full after %d tokens of prompt and %d of text", result.PromptTokens, result.GeneratedTokens)}
}

// enter waits for a slot. The context that it returns ends with ctx or the model.
func (m *textModel) enter(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-m.closing.Done():
		return nil, nil, errModelClosed
	}
	if m.closing.Err() != nil { // both were ready
		<-m.slots
		return nil, nil, errModelClosed
	}
	inner, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.closing, func() { cancel(errModelClosed) })
	return inner, func() {
		stop()
		cancel(nil)
		<-m.slots
	}, nil
}

// reason says why a call ended: the caller's context, the end of the model, or err.
func (m *textModel) reason(ctx context.Context, err error) error {
	if errors.Is(err, ErrCancelled) && ctx.Err() != nil {
		return ctx.Err()
	}
	if m.closing.Err() != nil {
		return errModelClosed
	}
	return err
}

// options are those of the library. Values that make no sense are its to refuse.
func (m *textModel) options(ctx context.Context, cfg inference.GenerateConfig) ([]GenerateOption, error) {
	uses := m.adaptersOfLoad
	if cfg.HasAdapters {
		var err error
		if uses, err = m.adapterUses(ctx, cfg.Adapters); err != nil {
			return nil, err
		}
	}
	if !cfg.HasSeed {
		cfg.Seed = rand.Uint64()
	}
	options := []GenerateOption{
		WithMaxTokens(cfg.MaxTokens),
		WithTemperature(cfg.Temperature),
		WithTopK(cfg.TopK),
		WithTopP(cfg.TopP),
		WithMinP(cfg.MinP),
		WithRepeatPenalty(cfg.RepeatPenalty),
		WithSeed(cfg.Seed),
		WithStopTokens(cfg.StopTokens...),
		WithStop(cfg.StopStrings...),
		WithAdapters(uses...),
	}
	if cfg.KeepHead != 0 {
		options = append(options, WithKeepHead(cfg.KeepHead))
	} else if cfg.Slide {
		options = append(options, WithSlide())
	}
	return options, nil
}

// adapterUses loads what is not loaded yet; an adapter stays until the model is closed.
func (m *textModel) adapterUses(ctx context.Context, refs []inference.AdapterRef) ([]AdapterUse, error) {
	m.adaptersMu.Lock()
	defer m.adaptersMu.Unlock()
	uses := make([]AdapterUse, len(refs))
	for i, ref := range refs {
		adapter, ok := m.adapters[ref.Path]
		if !ok {
			var err error
			if adapter, err = m.model.LoadAdapter(ctx, ref.Path, nil); err != nil {
				return nil, err
			}
			m.adapters[ref.Path] = adapter
		}
		uses[i] = AdapterUse{Adapter: adapter, Scale: ref.Scale}
	}
	return uses, nil
}

func (m *textModel) ModelType() string { return m.info.Architecture }

func (m *textModel) Info() inference.ModelInfo {
	return inference.ModelInfo{
		Architecture: m.info.Architecture,
		VocabSize:    m.info.VocabSize,
		NumLayers:    m.info.NumLayers,
		HiddenSize:   m.info.HiddenSize,
		QuantBits:    m.info.QuantBits,
		QuantGroup:   m.info.QuantGroup,
	}
}

func (m *textModel) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *textModel) finish(metrics inference.GenerateMetrics, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metrics, m.err = metrics, err
}

// Close ends the calls that run, within one step, and gives back the model; its memory comes back with the last
// of them.
func (m *textModel) Close() error {
	m.close(errModelClosed)
	m.adaptersMu.Lock()
	defer m.adaptersMu.Unlock()
	for _, adapter := range m.adapters {
		_ = adapter.Close()
	}
	if m.tokenizer != nil {
		_ = m.tokenizer.Close()
	}
	return m.model.Close()
}
