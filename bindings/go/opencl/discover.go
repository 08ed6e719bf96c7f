//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// FoundModel describes a checkpoint that Discover has found; its weights were not opened.
type FoundModel struct {
	Path         string // absolute, for LoadModel
	Format       string // "gguf" or "safetensors"
	Architecture string // "" where it could not be read
	Quantization string // "Q4_K", "BF16", ...; "" where it is not told
	QuantBits    uint32 // 0 = not quantised, or not told
	QuantGroup   uint32 // weights a scale
	FileCount    uint32 // weight files
	Bytes        uint64 // of the weight files
	Loadable     bool
	Reason       string // why it cannot be loaded
}

// Discover lists the models in dir: dir itself first, then what its direct children hold. Options by
// key: "allow_symlinks" 1 lets the files of a folder be links to anywhere.
func (r *Runtime) Discover(dir string, options map[string]any) ([]FoundModel, error) {
	defer runtime.KeepAlive(r)
	config, err := newConfig(options)
	if err != nil {
		return nil, err
	}
	defer C.inf_config_free(config)
	var list *C.inf_model_list
	err = call(func(e *C.inf_error) C.inf_status {
		p, n := chars(dir)
		return C.inf_discover(r.c(), p, n, config, &list, e)
	})
	if err != nil {
		return nil, err
	}
	defer C.inf_model_list_free(list)
	models := make([]FoundModel, C.inf_model_list_count(list))
	for i := range models {
		var m C.inf_model_entry
		m.struct_size = C.uint32_t(unsafe.Sizeof(m))
		err := call(func(e *C.inf_error) C.inf_status {
			return C.inf_model_list_get(list, C.uint32_t(i), &m, e)
		})
		if err != nil {
			return nil, err
		}
		models[i] = FoundModel{
			Path:         C.GoString(m.path),
			Format:       C.GoString(m.format),
			Architecture: C.GoString(m.architecture),
			Quantization: C.GoString(m.quantization),
			QuantBits:    uint32(m.quant_bits),
			QuantGroup:   uint32(m.quant_group),
			FileCount:    uint32(m.file_count),
			Bytes:        uint64(m.bytes),
			Loadable:     m.loadable != 0,
			Reason:       C.GoString(m.reason),
		}
	}
	return models, nil
}
