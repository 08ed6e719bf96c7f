//go:build cgo && !noopencl

package opencl

// #cgo pkg-config: inference
// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// handle owns one reference to an object of the library, which refuses a handle that was closed.
// Methods that pass ptr() to C keep the handle alive until the call is over.
type handle struct {
	p    atomic.Pointer[C.char]
	free func(unsafe.Pointer)
}

func newHandle(p unsafe.Pointer, free func(unsafe.Pointer)) *handle {
	h := &handle{free: free}
	h.p.Store((*C.char)(p))
	runtime.SetFinalizer(h, (*handle).Close)
	return h
}

func (h *handle) ptr() unsafe.Pointer {
	if h == nil {
		return nil
	}
	return unsafe.Pointer(h.p.Load())
}

// Close gives the object back. It may be called more than once, and always returns nil.
func (h *handle) Close() error {
	if h == nil {
		return nil
	}
	if p := h.p.Swap(nil); p != nil {
		runtime.SetFinalizer(h, nil)
		h.free(unsafe.Pointer(p))
	}
	return nil
}

// canceller ties a cancel object of the library to a context. The zero value is for a context that
// cannot end.
type canceller struct {
	c    *C.inf_cancel
	stop func() bool
	done chan struct{}
}

func newCanceller(ctx context.Context) (canceller, error) {
	if err := ctx.Err(); err != nil {
		return canceller{}, &Error{Status: ErrCancelled, Message: "cancelled before the start", cause: err}
	}
	if ctx.Done() == nil {
		return canceller{}, nil
	}
	var c *C.inf_cancel
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_cancel_new(&c, e) })
	if err != nil {
		return canceller{}, err
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		C.inf_cancel_trigger(c)
	})
	return canceller{c, stop, done}, nil
}

// release waits for a trigger that is under way: a freed object must not be triggered.
func (c canceller) release() {
	if c.c == nil {
		return
	}
	if !c.stop() {
		<-c.done
	}
	C.inf_cancel_free(c.c)
}

// Arguments as the library wants them; Go strings and slices of numbers hold no pointers.

func chars(s string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s))), C.size_t(len(s))
}

func tokens(ids []int32) (*C.inf_token, C.size_t) {
	return (*C.inf_token)(unsafe.Pointer(unsafe.SliceData(ids))), C.size_t(len(ids))
}

// Results, copied out of the library's memory, which is given back.

func takeText(buf *C.inf_buf) string {
	defer C.inf_buf_free(buf)
	return string(unsafe.Slice((*byte)(unsafe.Pointer(buf.data)), buf.len))
}

func takeTokens(ids *C.inf_tokens) []int32 {
	defer C.inf_tokens_free(ids)
	return append([]int32{}, unsafe.Slice((*int32)(unsafe.Pointer(ids.data)), ids.len)...)
}

func takeFloats(values *C.inf_floats) []float32 {
	defer C.inf_floats_free(values)
	return append([]float32{}, unsafe.Slice((*float32)(unsafe.Pointer(values.data)), values.len)...)
}
