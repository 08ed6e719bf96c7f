//go:build cgo && !noopencl

// Package overhead measures what a caller of the library adds to a token. Whatever links it has its inf_gen_next in
// place of the library's: benchmarks alone.
package overhead

/*
#cgo pkg-config: inference
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "overhead.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"slices"
	"unsafe"
)

// Between runs f, which makes generations of at most so many tokens in all, and returns the nanoseconds between each
// call of inf_gen_next and the one after it.
func Between(tokens int, f func()) []int64 {
	gaps := make([]int64, 2*tokens) // more events than tokens: parts of the prompt
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(unsafe.SliceData(gaps))
	C.inf_go_note_gaps((*C.int64_t)(unsafe.SliceData(gaps)), C.size_t(len(gaps)))
	defer C.inf_go_note_gaps(nil, 0)
	f()
	return slices.Clone(gaps[:C.inf_go_gaps_noted()])
}

// LoopInC generates, greedily, without Go between the tokens.
func LoopInC(path, prompt string, tokens, rounds int) error {
	p, q := C.CString(path), C.CString(prompt)
	defer C.free(unsafe.Pointer(p))
	defer C.free(unsafe.Pointer(q))
	var e C.inf_error
	e.struct_size = C.uint32_t(unsafe.Sizeof(e))
	if C.inf_go_loop(p, q, C.int32_t(tokens), C.int32_t(rounds), &e) < 0 {
		return errors.New(C.GoString(&e.msg[0]))
	}
	return nil
}
