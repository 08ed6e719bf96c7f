package textbackend

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"libinference.dev/inference"
)

// fakeModel says the same whatever it is asked, and keeps what it was asked.
type fakeModel struct {
	says      []string
	failure   error // after the last token
	modelType string
	closed    int

	running atomic.Int32
	mu      sync.Mutex
	err     error
	prompt  string              // of the last Generate
	chat    []inference.Message // of the last Chat
	config  inference.GenerateConfig
}

func (m *fakeModel) stream(ctx context.Context, opts []inference.GenerateOption) iter.Seq[inference.Token] {
	return func(yield func(inference.Token) bool) {
		if m.running.Add(1) != 1 {
			panic("two generations at once")
		}
		defer m.running.Add(-1)
		m.config = inference.ApplyGenerateOpts(opts)
		m.setErr(nil)
		for i, text := range m.says[:max(0, min(len(m.says), m.config.MaxTokens))] {
			if ctx.Err() != nil {
				m.setErr(ctx.Err())
				return
			}
			if !yield(inference.Token{ID: int32(i), Text: text}) {
				return
			}
		}
		m.setErr(m.failure)
	}
}

func (m *fakeModel) Generate(ctx context.Context, prompt string, opts ...inference.GenerateOption) iter.Seq[inference.Token] {
	m.prompt = prompt
	return m.stream(ctx, opts)
}

func (m *fakeModel) Chat(ctx context.Context, messages []inference.Message, opts ...inference.GenerateOption) iter.Seq[inference.Token] {
	m.chat = messages
	return m.stream(ctx, opts)
}

func (m *fakeModel) Classify(context.Context, []string, ...inference.GenerateOption) ([]inference.ClassifyResult, error) {
	return nil, nil
}

func (m *fakeModel) BatchGenerate(context.Context, []string, ...inference.GenerateOption) ([]inference.BatchResult, error) {
	return nil, nil
}

func (m *fakeModel) ModelType() string                  { return m.modelType }
func (m *fakeModel) Info() inference.ModelInfo          { return inference.ModelInfo{NumLayers: 7} }
func (m *fakeModel) Metrics() inference.GenerateMetrics { return inference.GenerateMetrics{} }
func (m *fakeModel) Close() error                       { m.closed++; return nil }
func (m *fakeModel) Err() error                         { m.mu.Lock(); defer m.mu.Unlock(); return m.err }
func (m *fakeModel) setErr(err error)                   { m.mu.Lock(); defer m.mu.Unlock(); m.err = err }

func over(t *testing.T, m inference.TextModel, opts ...Option) *TextBackend {
	t.Helper()
	b, err := FromModel("fake", m, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	ctx  = context.Background()
	user = []Message{{Role: "user", Content: "Hi"}}
)

func TestGenerate_Good(t *testing.T) {
	m := &fakeModel{says: []string{"  Hello", "  big", " world "}}
	b := over(t, m)
	got, err := b.Generate(ctx, "Hi", DefaultGenOpts())
	if got != "Hello  big world " || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if !slices.Equal(m.chat, user) {
		t.Errorf("the model was asked %v", m.chat)
	}
	if b.Name() != "fake" || !b.Available() || b.Model() != m {
		t.Errorf("%q, %v", b.Name(), b.Available())
	}
	if err := b.Close(); err != nil || m.closed != 1 {
		t.Errorf("%v; closed %d times", err, m.closed)
	}
}

func TestChat_Good(t *testing.T) {
	m := &fakeModel{says: []string{"a", "b"}}
	conversation := []Message{{Role: "system", Content: "s"}, {Role: "user", Content: "u"}, {Role: "tool", Content: "t"}}
	got, err := over(t, m).Chat(ctx, conversation, GenOpts{Temperature: 0.7, MaxTokens: 1, Model: "any"})
	if got != "a" || err != nil || !slices.Equal(m.chat, conversation) {
		t.Errorf("%q, %v; the model was asked %v", got, err, m.chat)
	}
	if m.config.Temperature != 0.7 || m.config.MaxTokens != 1 {
		t.Errorf("%+v", m.config)
	}
}

func TestStream_Good(t *testing.T) {
	m := &fakeModel{says: []string{" ", " a", "", "b"}}
	b := over(t, m)
	for name, stream := range map[string]func(TokenCallback) error{
		"GenerateStream": func(cb TokenCallback) error { return b.GenerateStream(ctx, "Hi", GenOpts{}, cb) },
		"ChatStream":     func(cb TokenCallback) error { return b.ChatStream(ctx, user, GenOpts{}, cb) },
	} {
		var got []string
		err := stream(func(token string) error { got = append(got, token); return nil })
		// Of the first token alone, even where that leaves nothing.
		if err != nil || !slices.Equal(got, []string{"", " a", "", "b"}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := b.GenerateStream(ctx, "Hi", GenOpts{}, nil); err != nil {
		t.Errorf("without a callback: %v", err)
	}
}

func TestOptions_Good_Defaults(t *testing.T) {
	if got := DefaultGenOpts(); got != (GenOpts{Temperature: 0.1}) {
		t.Errorf("%+v", got)
	}
	m := &fakeModel{}
	if _, err := over(t, m).Generate(ctx, "", GenOpts{}); err != nil {
		t.Error(err)
	}
	if m.config.Temperature != 0.1 || m.config.MaxTokens != 2048 {
		t.Errorf("%+v", m.config)
	}
}

func TestOptions_Bad_Negative(t *testing.T) {
	m := &fakeModel{says: []string{"a"}}
	got, err := over(t, m).Generate(ctx, "", GenOpts{Temperature: -1, MaxTokens: -5})
	if got != "" || err != nil || m.config.Temperature != -1 || m.config.MaxTokens != -5 {
		t.Errorf("%q, %v, %+v", got, err, m.config)
	}
}

func TestCancel_Bad(t *testing.T) {
	b := over(t, &fakeModel{says: []string{" one", " two", " three"}})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var got []string
	text, err := b.run(ctx, user, GenOpts{}, func(token string) error {
		if got = append(got, token); len(got) == 2 {
			cancel()
		}
		return nil
	})
	if text != "one two" || !errors.Is(err, context.Canceled) || len(got) != 2 {
		t.Errorf("%q, %v, %q", text, err, got)
	}
	if text, err := b.Chat(ctx, user, GenOpts{}); text != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gives %q, %v", text, err)
	}
}

func TestCallback_Bad_Error(t *testing.T) {
	b := over(t, &fakeModel{says: []string{"a", "b", "c"}, failure: errors.New("not this one")})
	full := errors.New("full")
	n := 0
	text, err := b.run(ctx, user, GenOpts{}, func(string) error {
		if n++; n == 2 {
			return full
		}
		return nil
	})
	if text != "ab" || err != full || n != 2 {
		t.Errorf("%q, %v, %d calls", text, err, n)
	}
	if err := b.ChatStream(ctx, user, GenOpts{}, func(string) error { return full }); err != full {
		t.Error(err)
	}
}

func TestCallback_Ugly_Panic(t *testing.T) {
	b := over(t, &fakeModel{says: []string{"a", "b"}})
	func() {
		defer func() {
			if got := recover(); got != "mine" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = b.GenerateStream(ctx, "Hi", GenOpts{}, func(string) error { panic("mine") })
	}()
	if got, err := b.Generate(ctx, "Hi", GenOpts{}); got != "ab" || err != nil {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

func TestModel_Bad_Error(t *testing.T) {
	failure := errors.New("out of memory")
	text, err := over(t, &fakeModel{says: []string{"a"}, failure: failure}).Generate(ctx, "Hi", GenOpts{})
	if text != "a" || err != failure {
		t.Errorf("%q, %v", text, err)
	}
}

func TestConcurrent_Ugly(t *testing.T) {
	b := over(t, &fakeModel{says: []string{"a", "b", "c"}}) // panics where two run at once
	var group sync.WaitGroup
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			if got, err := b.Generate(ctx, "Hi", GenOpts{}); got != "abc" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}()
	}
	group.Wait()
}

func TestWait_Ugly_ContextEndsMeanwhile(t *testing.T) {
	b := over(t, &fakeModel{says: []string{"a"}})
	err := b.GenerateStream(ctx, "Hi", GenOpts{}, func(string) error {
		short, cancel := context.WithCancel(ctx)
		go cancel()
		_, err := b.Generate(short, "Hi", GenOpts{}) // from inside: its turn never comes
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestStyle_Good(t *testing.T) {
	conversation := []Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hi"},
		{Role: "assistant", Content: "Yes?"}, {Role: "tool", Content: "7"}, {Role: "user", Content: "Go"}}
	const gemma = "<start_of_turn>user\n[System: Be brief.]<end_of_turn>\n<start_of_turn>user\nHi<end_of_turn>\n" +
		"<start_of_turn>model\nYes?<end_of_turn>\n<start_of_turn>user\nGo<end_of_turn>\n<start_of_turn>model\n"
	const chatML = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
		"<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n"
	for _, c := range []struct {
		style           Style
		modelType, want string
	}{
		{StyleGemma, "qwen3", gemma}, {StyleChatML, "gemma3", chatML},
		{StyleLegacy, "qwen3", chatML}, {StyleLegacy, "gemma3", gemma}, {StyleLegacy, "", gemma},
	} {
		m := &fakeModel{modelType: c.modelType}
		b := over(t, m, WithStyle(c.style))
		if _, err := b.Chat(ctx, conversation, GenOpts{}); err != nil || m.prompt != c.want || m.chat != nil {
			t.Errorf("%v of %q: %q\nwant %q; %v", c.style, c.modelType, m.prompt, c.want, err)
		}
	}
	m := &fakeModel{}
	if _, err := over(t, m, WithStyle(StyleChatML)).Generate(ctx, "Hi", GenOpts{}); err != nil ||
		m.prompt != "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" {
		t.Errorf("%q, %v", m.prompt, err)
	}
	if _, err := over(t, m, WithStyle(StyleGemma)).Chat(ctx, nil, GenOpts{}); err != nil || m.prompt != "<start_of_turn>model\n" {
		t.Errorf("%q, %v", m.prompt, err)
	}
}

// fakeBackend gives a model to the registry.
type fakeBackend struct {
	name        string
	model       inference.TextModel
	err         error
	unavailable bool
	config      inference.LoadConfig
}

func (b *fakeBackend) Name() string    { return b.name }
func (b *fakeBackend) Available() bool { return !b.unavailable }
func (b *fakeBackend) LoadModel(_ string, opts ...inference.LoadOption) (inference.TextModel, error) {
	b.config = inference.ApplyLoadOpts(opts)
	return b.model, b.err
}

func TestNew_Good(t *testing.T) {
	m := &managed{fakeModel: fakeModel{says: []string{"a"}}, active: 5 << 20}
	backend := &fakeBackend{name: "metal", model: m}
	inference.Register(backend)
	var log bytes.Buffer
	b, err := New("/m", WithLoadOptions(inference.WithContextLen(9)), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil || b.Name() != "metal" || !b.Available() || backend.config.ContextLen != 9 {
		t.Fatalf("%v, %+v", err, backend.config)
	}
	if m.cacheLimit != 16<<30 || m.memoryLimit != 24<<30 {
		t.Errorf("limits are %d and %d", m.cacheLimit, m.memoryLimit)
	}
	for _, part := range []string{"loading model\" path=/m", "layers=7 memory_mb=5"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%q is not in the log: %s", part, log.String())
		}
	}
	backend.unavailable = true
	if b.Available() {
		t.Error("the backend is not available")
	}
}

func TestNew_Bad(t *testing.T) {
	failure := errors.New("no such file")
	inference.Register(&fakeBackend{name: "failing", err: failure})
	_, err := New("/m", WithLoadOptions(inference.WithBackend("failing")))
	if !errors.Is(err, failure) || err.Error() != "textbackend: load model: no such file" {
		t.Error(err)
	}
	_, err = New("/m", WithLoadOptions(inference.WithBackend("nope")))
	if err == nil || err.Error() != `textbackend: load model: inference: backend "nope" not registered` {
		t.Error(err)
	}
	m := &managed{refuse: failure}
	inference.Register(&fakeBackend{name: "strict", model: m})
	_, err = New("/m", WithLoadOptions(inference.WithBackend("strict")))
	if !errors.Is(err, failure) || m.closed != 1 {
		t.Errorf("%v; closed %d times, want once", err, m.closed)
	}
}
