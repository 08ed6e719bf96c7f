//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

// WithSlide goes on where the context, prompt and text, outgrows the session, which without it is
// ErrContextFull or FinishContextFull: the oldest tokens are dropped, so that the newest fill half of the
// capacity, and what is left is computed again, with the bits that it has in a new session. Result tells.
func WithSlide() GenerateOption {
	return func(c *generateConfig) { c.overflow, c.keepHead = C.INF_OVERFLOW_SLIDE, 0 }
}

// WithKeepHead is WithSlide, but the first n tokens of the context stay, such as a system message: 1 to the
// session's capacity less 2. The newest fill half of the room beside them.
func WithKeepHead(n int) GenerateOption {
	return func(c *generateConfig) { c.overflow, c.keepHead = C.INF_OVERFLOW_KEEP_HEAD, C.uint64_t(n) }
}

func (c *generateConfig) setOverflow(request *C.inf_request) error {
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_request_set_overflow(request, c.overflow, c.keepHead, e)
	})
}
