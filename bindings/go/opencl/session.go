//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"time"
	"unsafe"
)

// SessionConfig says how to make a session; its zero value is a good default.
type SessionConfig struct {
	Capacity uint64 // tokens at most; 0 = the model's ContextLength. WithSlide goes on past it
}

// Session holds the tokens that a model has seen, with their keys and values.
type Session struct{ *handle }

// NewSession returns an empty session. Sessions of one model may be used by different goroutines at
// the same time.
func (m *Model) NewSession(config SessionConfig) (*Session, error) {
	defer runtime.KeepAlive(m)
	var options C.inf_session_options
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	options.capacity = C.uint64_t(config.Capacity)
	var out *C.inf_session
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_session_new(m.c(), &options, &out, e)
	})
	if err != nil {
		return nil, err
	}
	return &Session{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_session_free((*C.inf_session)(p))
	})}, nil
}

func (s *Session) c() *C.inf_session { return (*C.inf_session)(s.ptr()) }

// Len is the number of tokens held.
func (s *Session) Len() int {
	defer runtime.KeepAlive(s)
	return int(C.inf_session_length(s.c()))
}

// Capacity is the number of tokens that fit.
func (s *Session) Capacity() int {
	defer runtime.KeepAlive(s)
	return int(C.inf_session_capacity(s.c()))
}

// Tokens returns the tokens held.
func (s *Session) Tokens() ([]int32, error) {
	defer runtime.KeepAlive(s)
	var out C.inf_tokens
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_session_tokens(s.c(), &out, e) })
	if err != nil {
		return nil, err
	}
	return takeTokens(&out), nil
}

// Reset drops the tokens held.
func (s *Session) Reset() error {
	defer runtime.KeepAlive(s)
	return call(func(e *C.inf_error) C.inf_status { return C.inf_session_reset(s.c(), e) })
}

// Truncate drops all but the first length tokens. ErrContextFull where a sliding window has left what the
// next token would see.
func (s *Session) Truncate(length int) error {
	defer runtime.KeepAlive(s)
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_session_truncate(s.c(), C.uint64_t(length), e)
	})
}

// Fork returns another session that holds the same tokens; memory is shared until one of them goes on.
func (s *Session) Fork() (*Session, error) {
	defer runtime.KeepAlive(s)
	var out *C.inf_session
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_session_fork(s.c(), &out, e) })
	if err != nil {
		return nil, err
	}
	return &Session{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_session_free((*C.inf_session)(p))
	})}, nil
}

// Logits appends ids and returns the logits after each of them: a row of VocabSize values an id.
// ErrContextFull, with nothing appended, where they do not fit.
func (s *Session) Logits(ctx context.Context, ids []int32) ([]float32, error) {
	defer runtime.KeepAlive(s)
	cancel, err := newCanceller(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.release()
	var out C.inf_floats
	err = call(func(e *C.inf_error) C.inf_status {
		p, n := tokens(ids)
		return C.inf_session_logits(s.c(), p, n, cancel.c, &out, e)
	})
	if err != nil {
		return nil, withContext(ctx, err)
	}
	return takeFloats(&out), nil
}

// Score is what tokens that are given are worth under the model.
type Score struct {
	LogProbs     []float32 // natural logarithms, of each token
	Total        float64   // their sum, made in double
	IsGreedy     bool      // every token was the likeliest one where it stands
	CachedTokens uint64    // of the context, already in the session or in the prefix cache
}

func (s *Session) score(ctx context.Context,
	run func(*C.inf_cancel, *C.inf_score_desc, *C.inf_floats, *C.inf_error) C.inf_status) (Score, error) {
	defer runtime.KeepAlive(s)
	cancel, err := newCanceller(ctx)
	if err != nil {
		return Score{}, err
	}
	defer cancel.release()
	var desc C.inf_score_desc
	desc.struct_size = C.uint32_t(unsafe.Sizeof(desc))
	var out C.inf_floats
	err = call(func(e *C.inf_error) C.inf_status { return run(cancel.c, &desc, &out, e) })
	if err != nil {
		return Score{}, withContext(ctx, err)
	}
	return Score{
		LogProbs:     takeFloats(&out),
		Total:        float64(desc.total_logprob),
		IsGreedy:     desc.is_greedy != 0,
		CachedTokens: uint64(desc.cached_tokens),
	}, nil
}

// Score is ln P(continuation | prompt), token by token. What the session holds of the prompt already
// is reused, the rest of it dropped.
func (s *Session) Score(ctx context.Context, prompt, continuation []int32) (Score, error) {
	return s.score(ctx, func(cancel *C.inf_cancel, desc *C.inf_score_desc, out *C.inf_floats,
		e *C.inf_error) C.inf_status {
		p, n := tokens(prompt)
		c, m := tokens(continuation)
		return C.inf_score(s.c(), p, n, c, m, cancel, desc, out, e)
	})
}

// ScoreRolling gives the log-probability of every token but the first. Texts longer than window tokens
// (0: the capacity) are scored in windows that repeat overlap tokens (0: one).
func (s *Session) ScoreRolling(ctx context.Context, ids []int32, window, overlap uint64) (Score, error) {
	return s.score(ctx, func(cancel *C.inf_cancel, desc *C.inf_score_desc, out *C.inf_floats,
		e *C.inf_error) C.inf_status {
		p, n := tokens(ids)
		return C.inf_score_rolling(s.c(), p, n, C.uint64_t(window), C.uint64_t(overlap), cancel, nil, nil,
			desc, out, e)
	})
}

// Metrics counts what a session has done.
type Metrics struct {
	Requests        uint64 // finished, with or without success
	PromptTokens    uint64 // computed, not cached
	GeneratedTokens uint64
	Prefill         time.Duration
	Decode          time.Duration
	KVBytes         uint64
	Cancelled       uint64 // of Requests
	Failed          uint64 // of Requests
	CachedTokens    uint64 // of prompts, already in the session or in the prefix cache
	Total           time.Duration
	ActiveBytes     uint64  // device memory at the end of the last request
	PeakBytes       uint64  // its highest during any request
	PrefillTokS     float64 // tokens a second
	DecodeTokS      float64
}

// Metrics may be asked for at any time.
func (s *Session) Metrics() (Metrics, error) {
	defer runtime.KeepAlive(s)
	var m C.inf_metrics
	m.struct_size = C.uint32_t(unsafe.Sizeof(m))
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_session_metrics(s.c(), &m, e) })
	if err != nil {
		return Metrics{}, err
	}
	return Metrics{
		Requests:        uint64(m.requests),
		PromptTokens:    uint64(m.prompt_tokens),
		GeneratedTokens: uint64(m.generated_tokens),
		Prefill:         time.Duration(m.prefill_ns),
		Decode:          time.Duration(m.decode_ns),
		KVBytes:         uint64(m.kv_bytes),
		Cancelled:       uint64(m.cancelled),
		Failed:          uint64(m.failed),
		CachedTokens:    uint64(m.cached_tokens),
		Total:           time.Duration(m.total_ns),
		ActiveBytes:     uint64(m.active_bytes),
		PeakBytes:       uint64(m.peak_bytes),
		PrefillTokS:     float64(m.prefill_tok_s),
		DecodeTokS:      float64(m.decode_tok_s),
	}, nil
}
