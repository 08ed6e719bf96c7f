//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// Prompt is what Generate continues: a Text, Tokens or a *Chat.
type Prompt interface {
	setOn(request *C.inf_request, session *Session) error
}

// Text continues what the session holds. An empty session gets the checkpoint's special tokens, such as
// <bos>, in front; special tokens written in the text stay text.
type Text string

// Tokens continue what the session holds, as they are.
type Tokens []int32

func (t Text) setOn(request *C.inf_request, session *Session) error {
	var flags C.uint32_t
	if session == nil || session.Len() == 0 {
		flags = C.INF_ADD_SPECIAL
	}
	return call(func(e *C.inf_error) C.inf_status {
		s, n := chars(string(t))
		return C.inf_request_set_text(request, s, n, flags, e)
	})
}

func (t Tokens) setOn(request *C.inf_request, _ *Session) error {
	return call(func(e *C.inf_error) C.inf_status {
		p, n := tokens(t)
		return C.inf_request_set_tokens(request, p, n, e)
	})
}

// A chat is the whole conversation: what the session already holds of it is reused, the rest of the
// session is dropped.
func (c *Chat) setOn(request *C.inf_request, _ *Session) error {
	defer runtime.KeepAlive(c)
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_request_set_chat(request, c.c(), e)
	})
}

// GenerateOption changes a default of Generate: greedy, 256 tokens at most.
type GenerateOption func(*generateConfig)

type generateConfig struct {
	sampling       C.inf_sampling
	stops          []string
	stopTokens     []int32
	bias           map[int32]float32
	logProbs       C.uint32_t // INF_LOGPROBS_*
	topLogProbs    int
	overflow       C.uint32_t // INF_OVERFLOW_*
	keepHead       C.uint64_t
	adapters       *[]AdapterUse // nil: the session's
	prefill        func(done, total uint64)
	promptLogProbs func([]TokenLogProb)
	result         *Result
}

func newGenerateConfig(opts []GenerateOption) (config generateConfig) {
	C.inf_sampling_init(&config.sampling)
	for _, option := range opts {
		option(&config)
	}
	return config
}

// WithMaxTokens bounds the tokens generated.
func WithMaxTokens(n int) GenerateOption {
	return func(c *generateConfig) { c.sampling.max_tokens = C.int32_t(max(min(n, 1<<31-1), -1)) }
}

// WithTemperature draws tokens at random; 0 is greedy.
func WithTemperature(t float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.temperature = C.float(t) }
}

// WithTopK keeps the k likeliest tokens; 0 is off.
func WithTopK(k int) GenerateOption {
	return func(c *generateConfig) { c.sampling.top_k = C.int32_t(max(min(k, 1<<31-1), -1)) }
}

// WithTopP keeps the likeliest tokens that together reach probability p; 0 or 1 is off.
func WithTopP(p float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.top_p = C.float(p) }
}

// WithMinP drops tokens less likely than p times the likeliest one; 0 is off.
func WithMinP(p float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.min_p = C.float(p) }
}

// WithRepeatPenalty makes tokens that this request generated less likely; 0 or 1 is off.
func WithRepeatPenalty(penalty float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.repeat_penalty = C.float(penalty) }
}

// WithTypicalP keeps the tokens whose surprise is nearest to the entropy, those that together reach
// probability p (locally typical sampling); 0 or 1 is off.
func WithTypicalP(p float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.typical_p = C.float(p) }
}

// WithFrequencyPenalty takes penalty from a token's logit for each time this request generated it; 0 is off.
func WithFrequencyPenalty(penalty float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.frequency_penalty = C.float(penalty) }
}

// WithPresencePenalty takes penalty from the logits of tokens that this request generated; 0 is off.
func WithPresencePenalty(penalty float32) GenerateOption {
	return func(c *generateConfig) { c.sampling.presence_penalty = C.float(penalty) }
}

// WithPenaltyWindow makes penalties look at the last n generated tokens only; 0 is all.
func WithPenaltyWindow(n int) GenerateOption {
	return func(c *generateConfig) { c.sampling.penalty_window = C.int32_t(max(min(n, 1<<31-1), -1)) }
}

// Filter is a step that leaves tokens out, or makes them more or less even, before one is drawn.
type Filter uint8

const (
	FilterTopP        Filter = C.INF_FILTER_TOP_P
	FilterMinP        Filter = C.INF_FILTER_MIN_P
	FilterTopK        Filter = C.INF_FILTER_TOP_K
	FilterTypical     Filter = C.INF_FILTER_TYPICAL
	FilterTemperature Filter = C.INF_FILTER_TEMPERATURE
)

// WithFilterOrder sets the order in which filters act; those left out do not. The default is top-p, min-p,
// top-k, typical, temperature.
func WithFilterOrder(filters ...Filter) GenerateOption {
	return func(c *generateConfig) {
		c.sampling.order = [8]C.uint8_t{}
		for i := range min(len(filters), len(c.sampling.order)) { // one too many is one twice: an error
			c.sampling.order[i] = C.uint8_t(filters[i])
		}
	}
}

// WithStop ends the text before the first place where one of these strings stands; nothing of it is
// given.
func WithStop(stops ...string) GenerateOption {
	return func(c *generateConfig) { c.stops = append(c.stops, stops...) }
}

// WithStopTokens ends the text before the first of these tokens, also with WithIgnoreEnd.
func WithStopTokens(ids ...int32) GenerateOption {
	return func(c *generateConfig) { c.stopTokens = append(c.stopTokens, ids...) }
}

// WithLogitBias adds to the logits of tokens; minus infinity bans one.
func WithLogitBias(bias map[int32]float32) GenerateOption {
	return func(c *generateConfig) { c.bias = bias }
}

// WithLogProbs fills Token.LogProb, and Token.Top with the top likeliest tokens (at most 64): of the model's
// own distribution, before penalties, bias and temperature.
func WithLogProbs(top int) GenerateOption {
	return func(c *generateConfig) {
		c.logProbs |= C.INF_LOGPROBS_GENERATED
		c.topLogProbs = top
	}
}

// WithPromptLogProbs is told the log-probabilities of the prompt's tokens, each after those before it, as the
// prompt is computed; NaN for one with none before it. What the session holds of the prompt is computed
// again.
func WithPromptLogProbs(f func([]TokenLogProb)) GenerateOption {
	return func(c *generateConfig) {
		c.logProbs |= C.INF_LOGPROBS_PROMPT
		c.promptLogProbs = f
	}
}

// WithSeed fixes the random draws: same seed, same text.
func WithSeed(seed uint64) GenerateOption {
	return func(c *generateConfig) { c.sampling.seed = C.uint64_t(seed) }
}

// WithIgnoreEnd goes on after an end-of-text token.
func WithIgnoreEnd() GenerateOption {
	return func(c *generateConfig) { c.sampling.flags |= C.INF_SAMPLING_IGNORE_END }
}

// WithPrefill is told how many tokens of the prompt are done, between its chunks; after an overflow
// (WithSlide), how many of what is left of prompt and text.
func WithPrefill(f func(done, total uint64)) GenerateOption {
	return func(c *generateConfig) { c.prefill = f }
}

// WithResult fills *result when the loop ends, however it ends.
func WithResult(result *Result) GenerateOption {
	return func(c *generateConfig) { c.result = result }
}

// Finish says why a text ended.
type Finish uint32

const (
	FinishNone        Finish = C.INF_FINISH_NONE         // the loop was left before the end
	FinishEnd         Finish = C.INF_FINISH_END          // the model ended the text
	FinishLength      Finish = C.INF_FINISH_LENGTH       // WithMaxTokens
	FinishContextFull Finish = C.INF_FINISH_CONTEXT_FULL // the session's capacity; WithSlide goes on past it
	FinishStopped     Finish = C.INF_FINISH_STOPPED
	FinishCancelled   Finish = C.INF_FINISH_CANCELLED
	FinishError       Finish = C.INF_FINISH_ERROR
	FinishStopString  Finish = C.INF_FINISH_STOP_STRING // WithStop
	FinishStopToken   Finish = C.INF_FINISH_STOP_TOKEN  // WithStopTokens
)

// String returns "end", "length", "context_full", ...
func (f Finish) String() string { return C.GoString(C.inf_finish_name(C.uint32_t(f))) }

// Result says how a Generate went.
type Result struct {
	Finish          Finish
	PromptTokens    uint64
	CachedTokens    uint64 // of those, already in the session
	GeneratedTokens uint64
	Prefill         time.Duration // prompt, up to the first token
	Decode          time.Duration // the tokens after the first
	Total           time.Duration
	ActiveBytes     uint64 // device memory at the end
	PeakBytes       uint64 // its highest during the request
	PrefillTokS     float64
	DecodeTokS      float64
	DroppedTokens   uint64 // of the context: WithSlide, WithKeepHead
	Overflows       uint64 // how often that happened
}

// setOn sets all that belongs on the request but the prompt.
func (c *generateConfig) setOn(request *C.inf_request) error {
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_request_set_sampling(request, &c.sampling, e) })
	if err != nil {
		return err
	}
	for _, stop := range c.stops {
		s, n := chars(stop)
		err := call(func(e *C.inf_error) C.inf_status { return C.inf_request_add_stop(request, s, n, e) })
		if err != nil {
			return err
		}
	}
	for _, id := range c.stopTokens {
		err := call(func(e *C.inf_error) C.inf_status {
			return C.inf_request_add_stop_token(request, C.inf_token(id), e)
		})
		if err != nil {
			return err
		}
	}
	for id, bias := range c.bias {
		err := call(func(e *C.inf_error) C.inf_status {
			return C.inf_request_add_bias(request, C.inf_token(id), C.float(bias), e)
		})
		if err != nil {
			return err
		}
	}
	if err := c.setOverflow(request); err != nil {
		return err
	}
	top := C.uint32_t(max(min(c.topLogProbs, 1<<16), 0))
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_request_set_logprobs(request, c.logProbs, top, e)
	})
}

// newRequest makes what is run; session is nil where the request gets one of its own.
func newRequest(session *Session, prompt Prompt, config *generateConfig, cancel canceller) (*C.inf_request, error) {
	var request *C.inf_request
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_request_new(&request, e) })
	if err != nil {
		return nil, err
	}
	if err = prompt.setOn(request, session); err == nil {
		err = config.setOn(request)
	}
	if err == nil && config.adapters != nil {
		err = setAdapters(*config.adapters,
			func(a **C.inf_adapter, scales *C.float, n C.size_t, e *C.inf_error) C.inf_status {
				return C.inf_request_set_adapters(request, a, scales, n, e)
			})
	}
	if err == nil && cancel.c != nil {
		err = call(func(e *C.inf_error) C.inf_status { return C.inf_request_set_cancel(request, cancel.c, e) })
	}
	if err != nil {
		C.inf_request_free(request)
		return nil, err
	}
	return request, nil
}

func resultOf(gen *C.inf_gen) (Result, error) {
	var r C.inf_result
	r.struct_size = C.uint32_t(unsafe.Sizeof(r))
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_gen_result(gen, &r, e) })
	if err != nil {
		return Result{}, err
	}
	return readResult(&r), nil
}

func readResult(r *C.inf_result) Result {
	return Result{
		Finish:          Finish(r.finish),
		PromptTokens:    uint64(r.prompt_tokens),
		CachedTokens:    uint64(r.cached_tokens),
		GeneratedTokens: uint64(r.generated_tokens),
		Prefill:         time.Duration(r.prefill_ns),
		Decode:          time.Duration(r.decode_ns),
		Total:           time.Duration(r.total_ns),
		ActiveBytes:     uint64(r.active_bytes),
		PeakBytes:       uint64(r.peak_bytes),
		PrefillTokS:     float64(r.prefill_tok_s),
		DecodeTokS:      float64(r.decode_tok_s),
		DroppedTokens:   uint64(r.dropped_tokens),
		Overflows:       uint64(r.overflows),
	}
}
