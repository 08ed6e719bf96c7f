//go:build !nomlxlm

package mlxlm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"libinference.dev/inference"
)

// model is a model in a child process.
type model struct {
	process   *process
	turn      chan struct{} // holds a value while the child works for somebody
	modelType string
	vocabSize int
	info      inference.ModelInfo
	drainIdle time.Duration // bounds the wait for a child that has broken the protocol

	mu  sync.Mutex
	err error
}

var _ inference.TextModel = (*model)(nil)

func (m *model) Generate(ctx context.Context, prompt string, opts ...inference.GenerateOption) iter.Seq[inference.Token] {
	cfg := inference.ApplyGenerateOpts(opts)
	return func(yield func(inference.Token) bool) {
		m.stream(ctx, cfg, request("generate", "prompt", prompt, cfg), yield)
	}
}

func (m *model) Chat(ctx context.Context, messages []inference.Message, opts ...inference.GenerateOption) iter.Seq[inference.Token] {
	cfg := inference.ApplyGenerateOpts(opts)
	if messages == nil {
		messages = []inference.Message{} // a list, not null
	}
	return func(yield func(inference.Token) bool) {
		m.stream(ctx, cfg, request("chat", "messages", messages, cfg), yield)
	}
}

// request has what a bridge of the plain protocol knows, and more only where it was asked for.
func request(cmd, key string, value any, cfg inference.GenerateConfig) map[string]any {
	r := map[string]any{"cmd": cmd, key: value, "max_tokens": cfg.MaxTokens}
	set := func(key string, value any, wanted bool) {
		if wanted {
			r[key] = value
		}
	}
	set("temperature", cfg.Temperature, cfg.Temperature > 0)
	set("top_k", cfg.TopK, cfg.TopK > 0)
	set("top_p", cfg.TopP, cfg.TopP > 0)
	set("min_p", cfg.MinP, cfg.MinP > 0)
	set("repeat_penalty", cfg.RepeatPenalty, cfg.RepeatPenalty > 0)
	set("stop_tokens", cfg.StopTokens, len(cfg.StopTokens) > 0)
	set("stop", cfg.StopStrings, len(cfg.StopStrings) > 0)
	set("seed", cfg.Seed, cfg.HasSeed)
	set("adapters", adapters(cfg.Adapters), cfg.HasAdapters)
	return r
}

// stream is one generation. Whatever ends it, a panic of the loop's body included, the next one finds the
// child in step: it has ended this one by then.
func (m *model) stream(ctx context.Context, cfg inference.GenerateConfig, request map[string]any,
	yield func(inference.Token) bool) {
	if cfg.KeepHead != 0 { // the context slides by itself, and keeps what the bridge keeps
		m.setErr(fmt.Errorf("mlxlm: a head of %d tokens cannot be kept, want 0", cfg.KeepHead))
		return
	}
	if err := m.take(ctx); err != nil {
		m.setErr(err)
		return
	}
	m.setErr(nil)
	idle := time.Duration(0)
	inStep := false
	defer func() {
		if inStep {
			<-m.turn
		} else {
			m.cancel(idle)
		}
	}()

	if err := m.process.send(ctx, request); err != nil {
		if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			inStep = true
			err = fmt.Errorf("mlxlm: send %s: %w", request["cmd"], err)
		}
		m.setErr(err)
		return
	}
	for {
		reply, err := m.process.recv(ctx)
		if err != nil {
			if errors.Is(err, errParse) {
				idle = m.drainIdle // it may have been the end
			}
			m.setErr(err)
			return
		}
		if text, failed := reply.failure(); failed {
			inStep = true
			m.setErr(errors.New(text))
			return
		}
		if reply.done() {
			inStep = true
			return
		}
		if !yield(inference.Token{ID: int32(reply.integer("token_id")), Text: reply.text("token")}) {
			return
		}
	}
}

// take waits for the model's turn.
func (m *model) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.process.closing:
		return errClosed
	}
}

// cancel tells the child to stop and, in the background, reads what it still says; then the turn is over.
// A child that says nothing for idle is killed; 0 waits for as long as it lives.
func (m *model) cancel(idle time.Duration) {
	_, _ = m.process.post(map[string]any{"cmd": "cancel"})
	go func() {
		defer func() { <-m.turn }()
		for {
			ctx, stop := context.Background(), context.CancelFunc(func() {})
			if idle > 0 {
				ctx, stop = context.WithTimeout(ctx, idle)
			}
			reply, err := m.process.recv(ctx)
			stop()
			if errors.Is(err, context.DeadlineExceeded) {
				_ = m.process.cmd.Process.Kill()
				return
			}
			if errors.Is(err, errParse) {
				continue
			}
			if _, failed := reply.failure(); err != nil || failed || reply.done() {
				return
			}
		}
	}()
}

// Classify is not part of the protocol.
func (m *model) Classify(context.Context, []string, ...inference.GenerateOption) ([]inference.ClassifyResult, error) {
	return nil, errors.New("mlxlm: Classify not supported (use native Metal backend)")
}

// BatchGenerate is not part of the protocol.
func (m *model) BatchGenerate(context.Context, []string, ...inference.GenerateOption) ([]inference.BatchResult, error) {
	return nil, errors.New("mlxlm: BatchGenerate not supported (use native Metal backend)")
}

func (m *model) ModelType() string { return m.modelType }

// Info is what the child said when the model was loaded; zero where it had nothing to say.
func (m *model) Info() inference.ModelInfo { return m.info }

// Metrics are not part of the protocol: all zero.
func (m *model) Metrics() inference.GenerateMetrics { return inference.GenerateMetrics{} }

func (m *model) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *model) setErr(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Close asks the child to quit, also in the middle of a generation, kills it after two seconds and returns
// its exit status. Later calls return nil.
func (m *model) Close() error { return m.process.close() }
