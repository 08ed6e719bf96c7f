//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Save returns what the session holds, tokens and keys and values, as bytes for Load.
func (s *Session) Save() ([]byte, error) {
	defer runtime.KeepAlive(s)
	var out C.inf_buf
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_session_save(s.c(), &out, e) })
	if err != nil {
		return nil, err
	}
	defer C.inf_buf_free(&out)
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(out.data)), out.len)...), nil
}

// Load makes the session hold what Save gave: nothing is computed again. ErrMismatch where model, tokenizer,
// adapters or options are others, or the bytes are damaged; the session is then as it was.
func (s *Session) Load(data []byte) error {
	defer runtime.KeepAlive(s)
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_session_load(s.c(), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), e)
	})
}

// SaveFile is Save into a file, which appears whole or not at all.
func (s *Session) SaveFile(path string) error {
	defer runtime.KeepAlive(s)
	return call(func(e *C.inf_error) C.inf_status {
		p, n := chars(path)
		return C.inf_session_save_file(s.c(), p, n, e)
	})
}

// LoadFile is Load from a file.
func (s *Session) LoadFile(path string) error {
	defer runtime.KeepAlive(s)
	return call(func(e *C.inf_error) C.inf_status {
		p, n := chars(path)
		return C.inf_session_load_file(s.c(), p, n, e)
	})
}
