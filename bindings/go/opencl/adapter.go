//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// Adapter is a LoRA adapter of one model. It runs beside the weights, which stay as they are, and never
// changes: another version is another Adapter. What uses it keeps it, so it may be closed at any time.
type Adapter struct{ *handle }

// LoadAdapter loads an adapter that PEFT, mlx-lm or go-mlx wrote: a folder, or the file with its tensors.
// Options by key: "adapter_scale", "allow_symlinks"; nil for the defaults.
func (m *Model) LoadAdapter(ctx context.Context, path string, options map[string]any) (*Adapter, error) {
	defer runtime.KeepAlive(m)
	config, err := newConfig(options)
	if err != nil {
		return nil, err
	}
	defer C.inf_config_free(config)
	cancel, err := newCanceller(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.release()
	adapter, err := newAdapter(func(out **C.inf_adapter, e *C.inf_error) C.inf_status {
		p, n := chars(path)
		return C.inf_adapter_load(m.c(), p, n, config, cancel.c, out, e)
	})
	return adapter, withContext(ctx, err)
}

// Null returns noise in the shape of a: a baseline for what a's training did. Its values have the standard
// deviation initScale * sqrt(rankScale), usually 0.02 and 1; the same for the same seed.
func (a *Adapter) Null(seed uint64, initScale, rankScale float64) (*Adapter, error) {
	defer runtime.KeepAlive(a)
	return newAdapter(func(out **C.inf_adapter, e *C.inf_error) C.inf_status {
		return C.inf_adapter_null(a.c(), C.uint64_t(seed), C.double(initScale), C.double(rankScale), out, e)
	})
}

func newAdapter(load func(**C.inf_adapter, *C.inf_error) C.inf_status) (*Adapter, error) {
	var out *C.inf_adapter
	if err := call(func(e *C.inf_error) C.inf_status { return load(&out, e) }); err != nil {
		return nil, err
	}
	return &Adapter{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_adapter_free((*C.inf_adapter)(p))
	})}, nil
}

func (a *Adapter) c() *C.inf_adapter { return (*C.inf_adapter)(a.ptr()) }

// AdapterInfo says what an adapter is.
type AdapterInfo struct {
	Layers     int    // blocks of the model that it has something for
	Modules    int    // linear layers
	MaxRank    int    // of all of them
	Format     string // "peft", "mlx-lm", "go-mlx" or "null"
	Path       string // of its tensors; "" of a null adapter
	Hash       string // the same for the same values and scales, whatever the format
	Parameters uint64
	Bytes      uint64 // on the device
}

// Info says what the adapter is.
func (a *Adapter) Info() (AdapterInfo, error) {
	defer runtime.KeepAlive(a)
	var d C.inf_adapter_desc
	d.struct_size = C.uint32_t(unsafe.Sizeof(d))
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_adapter_info(a.c(), &d, e) })
	if err != nil {
		return AdapterInfo{}, err
	}
	return AdapterInfo{
		Layers:     int(d.layers),
		Modules:    int(d.modules),
		MaxRank:    int(d.max_rank),
		Format:     C.GoString(d.format),
		Path:       C.GoString(d.path),
		Hash:       C.GoString(d.hash),
		Parameters: uint64(d.parameters),
		Bytes:      uint64(d.bytes),
	}, nil
}

// AdapterUse is an adapter and the factor it is used with: 0 is the base, 1 the adapter as trained.
type AdapterUse struct {
	Adapter *Adapter
	Scale   float32
}

// setAdapters hands a set to the library, which keeps what it needs.
func setAdapters(uses []AdapterUse,
	set func(**C.inf_adapter, *C.float, C.size_t, *C.inf_error) C.inf_status) error {
	defer runtime.KeepAlive(uses)
	adapters := make([]*C.inf_adapter, len(uses))
	scales := make([]C.float, len(uses))
	for i, use := range uses {
		adapters[i], scales[i] = use.Adapter.c(), C.float(use.Scale)
	}
	return call(func(e *C.inf_error) C.inf_status {
		return set(unsafe.SliceData(adapters), unsafe.SliceData(scales), C.size_t(len(uses)), e)
	})
}

// requestUnder is a request that says what to run under and nothing else; nil for the base.
func requestUnder(uses []AdapterUse) (*C.inf_request, error) {
	if len(uses) == 0 {
		return nil, nil
	}
	var request *C.inf_request
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_request_new(&request, e) })
	if err != nil {
		return nil, err
	}
	err = setAdapters(uses, func(a **C.inf_adapter, scales *C.float, n C.size_t, e *C.inf_error) C.inf_status {
		return C.inf_request_set_adapters(request, a, scales, n, e)
	})
	if err != nil {
		C.inf_request_free(request)
		return nil, err
	}
	return request, nil
}

// SetAdapters says what the session computes under from now on; none is the base. Where the set changes,
// the session is reset.
func (s *Session) SetAdapters(uses ...AdapterUse) error {
	defer runtime.KeepAlive(s)
	return setAdapters(uses, func(a **C.inf_adapter, scales *C.float, n C.size_t, e *C.inf_error) C.inf_status {
		return C.inf_session_set_adapters(s.c(), a, scales, n, e)
	})
}

// WithAdapters sets the session's adapters for this request and those that follow; none is the base. What
// the session holds is computed again where the set changes.
func WithAdapters(uses ...AdapterUse) GenerateOption {
	return func(c *generateConfig) { c.adapters = &uses }
}
