//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Chat is a list of messages, rendered by the checkpoint's template.
type Chat struct{ *handle }

// NewChat returns an empty conversation.
func (t *Tokenizer) NewChat() (*Chat, error) {
	defer runtime.KeepAlive(t)
	var out *C.inf_chat
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_chat_new(t.c(), &out, e) })
	if err != nil {
		return nil, err
	}
	return &Chat{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_chat_free((*C.inf_chat)(p))
	})}, nil
}

func (c *Chat) c() *C.inf_chat { return (*C.inf_chat)(c.ptr()) }

// Add appends a message; roles are those of the template: "system", "user", "assistant", ...
func (c *Chat) Add(role, text string) error {
	defer runtime.KeepAlive(c)
	return call(func(e *C.inf_error) C.inf_status {
		r, rn := chars(role)
		t, tn := chars(text)
		return C.inf_chat_add(c.c(), r, rn, t, tn, e)
	})
}

// AddJSON appends one message object, or an array of them: {"role": ..., "content": ...} and whatever
// else the template reads. All or nothing.
func (c *Chat) AddJSON(json string) error {
	defer runtime.KeepAlive(c)
	return call(func(e *C.inf_error) C.inf_status {
		s, n := chars(json)
		return C.inf_chat_add_json(c.c(), s, n, e)
	})
}

// SetVariablesJSON takes an object whose keys become variables of the template: "tools", ...
func (c *Chat) SetVariablesJSON(json string) error {
	defer runtime.KeepAlive(c)
	return call(func(e *C.inf_error) C.inf_status {
		s, n := chars(json)
		return C.inf_chat_set_variables_json(c.c(), s, n, e)
	})
}

// SetTemplate takes the name of one of the checkpoint's templates, else of a style ("gemma",
// "gemma-system", "chatml", "llama3", "plain"), else Jinja text; empty: back to the checkpoint's choice.
func (c *Chat) SetTemplate(template string) error {
	defer runtime.KeepAlive(c)
	return call(func(e *C.inf_error) C.inf_status {
		s, n := chars(template)
		return C.inf_chat_set_template(c.c(), s, n, e)
	})
}

// Clear drops the messages.
func (c *Chat) Clear() error {
	defer runtime.KeepAlive(c)
	return call(func(e *C.inf_error) C.inf_status { return C.inf_chat_clear(c.c(), e) })
}

// Render returns the conversation as text and as ids, ending with the header of the assistant's turn
// where addGenerationPrompt is set. ErrTemplate carries line, column and reason.
func (c *Chat) Render(addGenerationPrompt bool) (string, []int32, error) {
	defer runtime.KeepAlive(c)
	var flags C.uint32_t
	if addGenerationPrompt {
		flags = C.INF_ADD_GENERATION_PROMPT
	}
	var text C.inf_buf
	var ids C.inf_tokens
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_chat_render(c.c(), flags, &text, &ids, e)
	})
	if err != nil {
		return "", nil, err
	}
	return takeText(&text), takeTokens(&ids), nil
}
