//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"iter"
	"runtime"
	"unsafe"
)

// Token is one generated token. Text holds whole code points: it is empty while one is incomplete or
// could be the beginning of a stop string, and what is left at the end comes as a last Token with ID -1.
type Token struct {
	ID   int32
	Text string
	Pos  uint64 // in the session

	LogProb float64        // natural logarithm; WithLogProbs
	Top     []TokenLogProb // the likeliest in its place, descending; WithLogProbs
}

// TokenLogProb is a token and the natural logarithm of its probability.
type TokenLogProb struct {
	ID      int32
	LogProb float64
}

func readLogProbs(event *C.inf_event) []TokenLogProb {
	if event.ids_len == 0 {
		return nil
	}
	ids := unsafe.Slice(event.ids, event.ids_len)
	logprobs := unsafe.Slice(event.logprobs, event.ids_len)
	out := make([]TokenLogProb, len(ids))
	for i := range out {
		out[i] = TokenLogProb{int32(ids[i]), float64(logprobs[i])}
	}
	return out
}

// Generate streams the continuation of prompt: one call into the library a token. Leaving the loop
// early, or ending ctx, stops the engine within one step. An error is the last pair of the sequence; after
// a cancel it matches ErrCancelled and the context's error.
//
// Nothing runs before the loop does, and every loop over the sequence is a new request. The session is
// busy while a loop runs.
func (s *Session) Generate(ctx context.Context, prompt Prompt, opts ...GenerateOption) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		gen, err := s.start(ctx, prompt, opts)
		if err != nil {
			yield(Token{}, err)
			return
		}
		defer gen.close()
		for {
			token, done, err := gen.next()
			if err != nil {
				yield(Token{}, err)
				return
			}
			if done || !yield(token, nil) {
				return
			}
		}
	}
}

// generation is one loop over Generate.
type generation struct {
	ctx     context.Context
	session *Session
	config  generateConfig
	request *C.inf_request
	cancel  canceller
	gen     *C.inf_gen
	step    *step
	turn    turn
}

// step is what inf_gen_next fills, kept so that a token costs no allocation but its text.
type step struct {
	event *C.inf_event
	err   C.inf_error
}

func (s *Session) start(ctx context.Context, prompt Prompt, opts []GenerateOption) (*generation, error) {
	g := &generation{ctx: ctx, session: s, config: newGenerateConfig(opts), step: new(step)}
	g.step.err.struct_size = C.uint32_t(unsafe.Sizeof(g.step.err))
	if err := g.begin(prompt); err != nil {
		g.close()
		return nil, withContext(ctx, err)
	}
	return g, nil
}

func (g *generation) begin(prompt Prompt) (err error) {
	if g.cancel, err = newCanceller(g.ctx); err != nil {
		return err
	}
	if g.request, err = newRequest(g.session, prompt, &g.config, g.cancel); err != nil {
		return err
	}
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_gen_start(g.session.c(), g.request, &g.gen, e)
	})
}

// next returns the next token, or done at the end of the text.
func (g *generation) next() (token Token, done bool, err error) {
	defer runtime.KeepAlive(g.session)
	for {
		if g.ctx.Err() != nil { // do not wait for the context's own goroutine to be scheduled
			C.inf_cancel_trigger(g.cancel.c)
		}
		g.turn.beforeCall()
		status := C.inf_gen_next(g.gen, &g.step.event, &g.step.err)
		if status < 0 {
			return Token{}, false, withContext(g.ctx, newError(status, &g.step.err))
		}
		if status == C.INF_DONE {
			return Token{}, true, nil
		}
		if token, ok := g.config.take(g.step.event); ok {
			return token, false, nil
		}
	}
}

// take returns the token of an event; of others it tells the functions of the options.
func (c *generateConfig) take(event *C.inf_event) (Token, bool) {
	switch event.kind {
	case C.INF_EVENT_PREFILL:
		step, total := uint64(event.step), uint64(event.total) // read before any function of the caller's runs
		if c.promptLogProbs != nil && event.ids_len > 0 {
			c.promptLogProbs(readLogProbs(event))
		}
		if c.prefill != nil {
			c.prefill(step, total)
		}
	case C.INF_EVENT_TOKEN:
		return Token{
			ID:      int32(event.token),
			Text:    goText(event.text, C.size_t(event.text_len)),
			Pos:     uint64(event.pos),
			LogProb: float64(event.logprob),
			Top:     readLogProbs(event),
		}, true
	}
	return Token{}, false
}

func (g *generation) close() {
	if g.gen != nil && g.config.result != nil {
		if result, err := resultOf(g.gen); err == nil {
			*g.config.result = result
		}
	}
	C.inf_gen_free(g.gen)
	C.inf_request_free(g.request)
	g.cancel.release()
}
