//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// TextFlags say how text becomes ids and ids become text.
type TextFlags uint32

const (
	AddSpecial   TextFlags = C.INF_ADD_SPECIAL   // Encode: add what the checkpoint wants around a text, such as <bos>
	ParseSpecial TextFlags = C.INF_PARSE_SPECIAL // Encode: special tokens written in the text become their ids
	SkipSpecial  TextFlags = C.INF_SKIP_SPECIAL  // Decode: leave special tokens out
)

// Tokenizer turns text into token ids and back.
type Tokenizer struct{ *handle }

// LoadTokenizer reads the tokenizer of a GGUF file, or of a folder with tokenizer.json. It needs no
// device and reads no weights.
func LoadTokenizer(path string) (*Tokenizer, error) {
	return LoadTokenizerWith(path, nil)
}

// LoadTokenizerWith takes options by key: "allow_symlinks" 1 lets the files of a folder be links to
// anywhere, as in the Hugging Face hub's cache.
func LoadTokenizerWith(path string, options map[string]any) (*Tokenizer, error) {
	config, err := newConfig(options)
	if err != nil {
		return nil, err
	}
	defer C.inf_config_free(config)
	var out *C.inf_tokenizer
	err = call(func(e *C.inf_error) C.inf_status {
		p, n := chars(path)
		return C.inf_tokenizer_load(p, n, config, &out, e)
	})
	if err != nil {
		return nil, err
	}
	return newTokenizer(out), nil
}

func newTokenizer(p *C.inf_tokenizer) *Tokenizer {
	return &Tokenizer{newHandle(unsafe.Pointer(p), func(p unsafe.Pointer) {
		C.inf_tokenizer_free((*C.inf_tokenizer)(p))
	})}
}

func (t *Tokenizer) c() *C.inf_tokenizer { return (*C.inf_tokenizer)(t.ptr()) }

// Encode returns the ids of text; bytes that are not UTF-8 are read as U+FFFD.
func (t *Tokenizer) Encode(text string, flags TextFlags) ([]int32, error) {
	defer runtime.KeepAlive(t)
	var out C.inf_tokens
	err := call(func(e *C.inf_error) C.inf_status {
		s, n := chars(text)
		return C.inf_tokenize(t.c(), s, n, C.uint32_t(flags), &out, e)
	})
	if err != nil {
		return nil, err
	}
	return takeTokens(&out), nil
}

// Decode returns the text of ids; ErrArgument for one that is not in the vocabulary.
func (t *Tokenizer) Decode(ids []int32, flags TextFlags) (string, error) {
	defer runtime.KeepAlive(t)
	var out C.inf_buf
	err := call(func(e *C.inf_error) C.inf_status {
		p, n := tokens(ids)
		return C.inf_detokenize(t.c(), p, n, C.uint32_t(flags), &out, e)
	})
	if err != nil {
		return "", err
	}
	return takeText(&out), nil
}

// TokenBytes returns the bytes that a token adds in the middle of a text: they may be part of a code
// point.
func (t *Tokenizer) TokenBytes(id int32) ([]byte, error) {
	defer runtime.KeepAlive(t)
	var out C.inf_buf
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_token_bytes(t.c(), C.inf_token(id), &out, e)
	})
	if err != nil {
		return nil, err
	}
	return []byte(takeText(&out)), nil
}

// BOS and EOS return the ids that begin and end a text; negative where the checkpoint has none.
func (t *Tokenizer) BOS() int32 { return t.special(C.INF_SPECIAL_BOS) }
func (t *Tokenizer) EOS() int32 { return t.special(C.INF_SPECIAL_EOS) }

func (t *Tokenizer) special(which C.uint32_t) int32 {
	defer runtime.KeepAlive(t)
	return int32(C.inf_special_token(t.c(), which))
}

// IsEnd says whether a token ends a text.
func (t *Tokenizer) IsEnd(id int32) bool {
	defer runtime.KeepAlive(t)
	return C.inf_token_is_end(t.c(), C.inf_token(id)) == 1
}

// VocabSize is 0 for a tokenizer that was closed.
func (t *Tokenizer) VocabSize() int {
	defer runtime.KeepAlive(t)
	return int(C.inf_vocab_size(t.c()))
}
