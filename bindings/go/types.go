package inference

import (
	"context"
	"iter"
	"time"
)

// Token is one generated token. Text may be empty: a backend holds back what is not yet a whole code
// point, or could be the beginning of a stop string.
type Token struct {
	ID   int32
	Text string
}

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // "system", "user", "assistant"
	Content string `json:"content"`
}

// ClassifyResult is what follows one prompt.
type ClassifyResult struct {
	Token  Token     // sampled after the last token of the prompt
	Logits []float32 // one for each token of the vocabulary; nil without WithLogits
}

// BatchResult is the continuation of one prompt of BatchGenerate.
type BatchResult struct {
	Tokens []Token // with Err: those from before the error
	Err    error   // of this prompt alone
}

// GenerateMetrics tells what the last operation did.
type GenerateMetrics struct {
	PromptTokens    int // of all prompts together
	GeneratedTokens int // as many as were handed out

	PrefillDuration time.Duration // the prompts
	DecodeDuration  time.Duration // the tokens after the first
	TotalDuration   time.Duration // by the wall clock

	PrefillTokensPerSec float64
	DecodeTokensPerSec  float64

	PeakMemoryBytes   uint64 // highest use of device memory during the operation
	ActiveMemoryBytes uint64 // use of device memory at its end
}

// ModelInfo describes a loaded model.
type ModelInfo struct {
	Architecture string // "gemma3", "qwen3", "llama", ...
	VocabSize    int
	NumLayers    int
	HiddenSize   int
	QuantBits    int // 0 = not quantised
	QuantGroup   int // weights that share a scale; 0 = not quantised
}

// TextModel is a loaded model. All methods may be called from many goroutines; how many generations
// run at once is the backend's choice (WithParallelSlots), the others wait.
type TextModel interface {
	// Generate streams the continuation of prompt. Nothing runs before the loop does, and each loop
	// over the sequence is a new generation.
	Generate(ctx context.Context, prompt string, opts ...GenerateOption) iter.Seq[Token]

	// Chat streams the assistant's next turn. The conversation is rendered by the model's own template.
	Chat(ctx context.Context, messages []Message, opts ...GenerateOption) iter.Seq[Token]

	// Classify gives the token that follows each prompt, in the order of the prompts.
	Classify(ctx context.Context, prompts []string, opts ...GenerateOption) ([]ClassifyResult, error)

	// BatchGenerate gives the continuation of each prompt, in the order of the prompts.
	BatchGenerate(ctx context.Context, prompts []string, opts ...GenerateOption) ([]BatchResult, error)

	// ModelType is the architecture: "gemma3", "qwen3", "llama", ...
	ModelType() string

	// Info describes the model.
	Info() ModelInfo

	// Metrics tells what the operation that finished last did; a stream finishes with its loop.
	Metrics() GenerateMetrics

	// Err is the error of the Generate or Chat that finished last: nil at the end of the text, at
	// MaxTokens and after a loop that was left. Where several run at once it is of any of them.
	Err() error

	// Close gives back all that the model holds. It may be called more than once.
	Close() error
}

// Backend is an engine that loads models.
type Backend interface {
	// Name is what WithBackend takes: "metal", "rocm", "llama_cpp", "opencl", "mlx_lm", ...
	Name() string

	// LoadModel loads the model at path.
	LoadModel(path string, opts ...LoadOption) (TextModel, error)

	// Available reports whether the backend can run on this machine.
	Available() bool
}
