//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// Many texts in one call: they are packed together, what they begin with alike is computed once, and each
// result is what the text alone would give. A text that cannot be done (too long, empty) fails alone.

func newInputs(texts []string) (*C.inf_inputs, error) {
	var inputs *C.inf_inputs
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_inputs_new(&inputs, e) })
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		err := call(func(e *C.inf_error) C.inf_status {
			s, n := chars(text)
			return C.inf_inputs_add_text(inputs, s, n, C.INF_ADD_SPECIAL|C.INF_PARSE_SPECIAL, e)
		})
		if err != nil {
			C.inf_inputs_free(inputs)
			return nil, err
		}
	}
	return inputs, nil
}

// many makes the inputs, runs the call and hands each result's index to take.
func many(ctx context.Context, lists [][]string,
	run func([]*C.inf_inputs, *C.inf_cancel, **C.inf_items, *C.inf_error) C.inf_status,
	take func(*C.inf_items, C.uint64_t)) error {
	cancel, err := newCanceller(ctx)
	if err != nil {
		return err
	}
	defer cancel.release()
	inputs := make([]*C.inf_inputs, len(lists))
	for i, list := range lists {
		if inputs[i], err = newInputs(list); err != nil {
			return err
		}
		defer C.inf_inputs_free(inputs[i])
	}
	var items *C.inf_items
	err = call(func(e *C.inf_error) C.inf_status { return run(inputs, cancel.c, &items, e) })
	if err != nil {
		return withContext(ctx, err)
	}
	defer C.inf_items_free(items)
	for i := C.uint64_t(0); i < C.inf_items_count(items); i++ {
		take(items, i)
	}
	return nil
}

// ItemScore is the score of one completion, or why there is none.
type ItemScore struct {
	Score
	Err error
}

// ScoreMany is ln P(completion | prompt) of each completion. Afterwards the session holds the prompt.
func (s *Session) ScoreMany(ctx context.Context, prompt string, completions []string) ([]ItemScore, error) {
	defer runtime.KeepAlive(s)
	results := make([]ItemScore, 0, len(completions))
	err := many(ctx, [][]string{{prompt}, completions},
		func(in []*C.inf_inputs, cancel *C.inf_cancel, out **C.inf_items, e *C.inf_error) C.inf_status {
			return C.inf_score_many(s.c(), in[0], in[1], cancel, out, e)
		},
		func(items *C.inf_items, i C.uint64_t) {
			var desc C.inf_score_desc
			desc.struct_size = C.uint32_t(unsafe.Sizeof(desc))
			var logprobs C.inf_floats
			err := call(func(e *C.inf_error) C.inf_status {
				return C.inf_items_score(items, i, &desc, nil, &logprobs, e)
			})
			results = append(results, ItemScore{Score{
				LogProbs:     takeFloats(&logprobs),
				Total:        float64(desc.total_logprob),
				IsGreedy:     desc.is_greedy != 0,
				CachedTokens: uint64(desc.cached_tokens),
			}, err})
		})
	return results, err
}

// Class is what follows one prompt, or why there is nothing.
type Class struct {
	Token    int32     // -1 where labels were given
	Label    int       // the index of the likeliest one; -1 where none were given
	Text     string    // of either
	LogProbs []float32 // of the labels
	Err      error
}

// Classify gives the likeliest next token of each prompt or, where there are labels, the likeliest one, under
// adapters where some are given.
func (m *Model) Classify(ctx context.Context, prompts, labels []string, under ...AdapterUse) ([]Class, error) {
	defer runtime.KeepAlive(m)
	request, err := requestUnder(under)
	if err != nil {
		return nil, err
	}
	defer C.inf_request_free(request)
	results := make([]Class, 0, len(prompts))
	lists := [][]string{prompts}
	if len(labels) > 0 {
		lists = append(lists, labels)
	}
	err = many(ctx, lists,
		func(in []*C.inf_inputs, cancel *C.inf_cancel, out **C.inf_items, e *C.inf_error) C.inf_status {
			var choices *C.inf_inputs
			if len(in) > 1 {
				choices = in[1]
			}
			return C.inf_classify(m.c(), in[0], choices, request, 0, cancel, out, e)
		},
		func(items *C.inf_items, i C.uint64_t) {
			var desc C.inf_class_desc
			desc.struct_size = C.uint32_t(unsafe.Sizeof(desc))
			var text C.inf_buf
			var values C.inf_floats
			err := call(func(e *C.inf_error) C.inf_status {
				return C.inf_items_class(items, i, &desc, &text, &values, e)
			})
			results = append(results, Class{int32(desc.token), int(desc.label), takeText(&text),
				takeFloats(&values), err})
		})
	return results, err
}

// Pooling says which hidden states make a vector.
type Pooling uint32

const (
	PoolMean  Pooling = C.INF_POOL_MEAN
	PoolLast  Pooling = C.INF_POOL_LAST
	PoolFirst Pooling = C.INF_POOL_FIRST
)

// Embedding is the vector of one text, or why there is none.
type Embedding struct {
	Vector []float32 // of length 1
	Err    error
}

// Embed gives the pooled hidden states of the last layer of each text, under adapters where some are given.
func (m *Model) Embed(ctx context.Context, texts []string, pooling Pooling, under ...AdapterUse) ([]Embedding,
	error) {
	defer runtime.KeepAlive(m)
	request, err := requestUnder(under)
	if err != nil {
		return nil, err
	}
	defer C.inf_request_free(request)
	results := make([]Embedding, 0, len(texts))
	err = many(ctx, [][]string{texts},
		func(in []*C.inf_inputs, cancel *C.inf_cancel, out **C.inf_items, e *C.inf_error) C.inf_status {
			var options C.inf_embed_options
			options.struct_size = C.uint32_t(unsafe.Sizeof(options))
			options.pooling = C.uint32_t(pooling)
			options.request = request
			return C.inf_embed(m.c(), in[0], &options, cancel, out, e)
		},
		func(items *C.inf_items, i C.uint64_t) {
			var vector C.inf_floats
			err := call(func(e *C.inf_error) C.inf_status {
				return C.inf_items_vector(items, i, &vector, e)
			})
			results = append(results, Embedding{takeFloats(&vector), err})
		})
	return results, err
}
