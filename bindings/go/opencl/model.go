//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// LoadConfig says how to load a model; its zero value is a good default.
type LoadConfig struct {
	// Options by key: int, int64, float64 or string values. "device" is an index, a part of a name or
	// a type; "n_ctx" bounds the length of sessions; "kv_type" "f16" keeps keys and values in half the
	// memory, "q8" in about a quarter; "activations" "int8" makes prompts faster and less exact;
	// "parallel_slots" is how many calls of different goroutines share a step.
	Options map[string]any
	// Progress is called inside LoadModel, on its goroutine's thread: done of total bytes, 0 where the
	// total is not known. An error ends the loading; LoadModel's error then wraps it.
	Progress func(done, total uint64, what string) error
}

// Model is a loaded checkpoint.
type Model struct{ *handle }

// LoadModel loads a GGUF file, or a folder with config.json and *.safetensors. A failed or cancelled
// load leaves nothing behind.
func (r *Runtime) LoadModel(ctx context.Context, path string, config LoadConfig) (*Model, error) {
	defer runtime.KeepAlive(r)
	options, err := newConfig(config.Options)
	if err != nil {
		return nil, err
	}
	defer C.inf_config_free(options)
	cancel, err := newCanceller(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.release()

	progress := progressState{f: config.Progress}
	var user cgo.Handle
	if config.Progress != nil {
		user = cgo.NewHandle(&progress)
		defer user.Delete()
	}
	var out *C.inf_model
	err = call(func(e *C.inf_error) C.inf_status {
		p, n := chars(path)
		return C.inf_go_model_load(r.c(), p, n, options, cancel.c, C.uintptr_t(user), &out, e)
	})
	if progress.panicked != nil {
		panic(progress.panicked)
	}
	if err != nil {
		if e, ok := err.(*Error); ok && e.Status == ErrCallback {
			e.cause = progress.err
		}
		return nil, withContext(ctx, err)
	}
	return &Model{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_model_free((*C.inf_model)(p))
	})}, nil
}

// progressState carries a progress function into the library, and what ended it back out.
type progressState struct {
	f        func(done, total uint64, what string) error
	err      error
	panicked any
}

// A panic must not unwind through the library: LoadModel raises it again.
//
//export infGoProgress
func infGoProgress(user C.uintptr_t, event *C.inf_event) (verdict C.int32_t) {
	state := cgo.Handle(user).Value().(*progressState)
	defer func() {
		if state.panicked = recover(); state.panicked != nil {
			verdict = -1
		}
	}()
	text := goText(event.text, C.size_t(event.text_len))
	if state.err = state.f(uint64(event.step), uint64(event.total), text); state.err != nil {
		return -1
	}
	return 0
}

func (m *Model) c() *C.inf_model { return (*C.inf_model)(m.ptr()) }

// ModelInfo describes a model.
type ModelInfo struct {
	Device              int    // index in Runtime.Devices
	Architecture        string // "llama", "gemma3"
	Format              string // "gguf" or "safetensors"
	Quantization        string // type of most of the weights: "Q4_1", "BF16", ...
	Path                string
	Parameters          uint64
	WeightBytes         uint64 // resident on the device
	DecodeBytesPerToken uint64 // weights read for one token
	KVBytesPerToken     uint64 // full-attention layers only
	VocabSize           int
	NumLayers           int
	HiddenSize          int
	NumAttentionHeads   int
	NumKeyValueHeads    int
	HeadDim             int
	IntermediateSize    int
	ContextLength       int // the longest session
	QuantBits           int // 0 = not quantised
	QuantGroup          int // weights a scale; 0 = not quantised
}

// Info describes the model.
func (m *Model) Info() (ModelInfo, error) {
	defer runtime.KeepAlive(m)
	var d C.inf_model_desc
	d.struct_size = C.uint32_t(unsafe.Sizeof(d))
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_model_info(m.c(), &d, e) })
	if err != nil {
		return ModelInfo{}, err
	}
	return ModelInfo{
		Device:              int(d.device),
		Architecture:        C.GoString(d.architecture),
		Format:              C.GoString(d.format),
		Quantization:        C.GoString(d.quantization),
		Path:                C.GoString(d.path),
		Parameters:          uint64(d.parameters),
		WeightBytes:         uint64(d.weight_bytes),
		DecodeBytesPerToken: uint64(d.decode_bytes_per_token),
		KVBytesPerToken:     uint64(d.kv_bytes_per_token),
		VocabSize:           int(d.vocab_size),
		NumLayers:           int(d.num_layers),
		HiddenSize:          int(d.hidden_size),
		NumAttentionHeads:   int(d.num_attention_heads),
		NumKeyValueHeads:    int(d.num_key_value_heads),
		HeadDim:             int(d.head_dim),
		IntermediateSize:    int(d.intermediate_size),
		ContextLength:       int(d.context_length),
		QuantBits:           int(d.quant_bits),
		QuantGroup:          int(d.quant_group),
	}, nil
}

// Tokenizer returns the model's own tokenizer: a new reference, to be closed.
func (m *Model) Tokenizer() (*Tokenizer, error) {
	defer runtime.KeepAlive(m)
	var out *C.inf_tokenizer
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_model_tokenizer(m.c(), &out, e) })
	if err != nil {
		return nil, err
	}
	return newTokenizer(out), nil
}
