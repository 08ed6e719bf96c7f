//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// Markup is a prompt like Text, but special tokens written in it become their ids: for prompts that were formatted
// by hand. What comes from others can then forge turns of a conversation: a Chat is safer.
type Markup string

func (m Markup) setOn(request *C.inf_request, session *Session) error {
	flags := C.uint32_t(C.INF_PARSE_SPECIAL)
	if session == nil || session.Len() == 0 {
		flags |= C.INF_ADD_SPECIAL
	}
	return call(func(e *C.inf_error) C.inf_status {
		s, n := chars(string(m))
		return C.inf_request_set_text(request, s, n, flags, e)
	})
}

// NextToken is what follows one prompt, or why there is nothing.
type NextToken struct {
	ID           int32
	Text         string
	PromptTokens uint64
	Logits       []float32 // one for each token of the vocabulary, where they were asked for
	Err          error
}

// NextTokens gives the token that follows each prompt, drawn as the options say, as if the prompt were alone; of the
// options sampling and adapters count.
func (m *Model) NextTokens(ctx context.Context, prompts []string, logits bool, opts ...GenerateOption) ([]NextToken, error) {
	defer runtime.KeepAlive(m)
	config := newGenerateConfig(opts)
	request, err := newRequest(nil, Tokens{0}, &config, canceller{}) // a prompt it must have, which does not count
	if err != nil {
		return nil, err
	}
	defer C.inf_request_free(request)
	var flags C.uint32_t
	if logits {
		flags = C.INF_CLASSIFY_LOGITS
	}
	results := make([]NextToken, 0, len(prompts))
	err = many(ctx, [][]string{prompts},
		func(in []*C.inf_inputs, cancel *C.inf_cancel, out **C.inf_items, e *C.inf_error) C.inf_status {
			return C.inf_classify(m.c(), in[0], nil, request, flags, cancel, out, e)
		},
		func(items *C.inf_items, i C.uint64_t) {
			var desc C.inf_class_desc
			desc.struct_size = C.uint32_t(unsafe.Sizeof(desc))
			var text C.inf_buf
			var values C.inf_floats
			err := call(func(e *C.inf_error) C.inf_status {
				return C.inf_items_class(items, i, &desc, &text, &values, e)
			})
			next := NextToken{ID: int32(desc.token), Text: takeText(&text), PromptTokens: uint64(desc.tokens), Err: err}
			if row := takeFloats(&values); logits {
				next.Logits = row
			}
			results = append(results, next)
		})
	return results, err
}
