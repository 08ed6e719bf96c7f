//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Fit says what a model and one full session would take of a device, in bytes.
type Fit struct {
	Fits            bool   // Wanted bytes are left on the device
	Device          uint32 // index in Devices
	ContextLength   uint32 // tokens that KVBytes are for
	WeightBytes     uint64 // on the device, exactly
	KVBytesPerToken uint64 // of the layers with full attention
	KVBytes         uint64 // of one full session, exactly
	ScratchBytes    uint64 // an upper bound
	WantedBytes     uint64 // weights, KV cache and scratch
	ActiveBytes     uint64 // in use on the device now
	LimitBytes      uint64 // of the device
	MissingBytes    uint64 // 0 where it fits
}

// Estimate says whether a model fits, before it is loaded: it reads headers, no weights. Options as for
// a load: "device", "n_ctx", "prefill_chunk", "kv_type", "allow_symlinks".
func (r *Runtime) Estimate(path string, options map[string]any) (Fit, error) {
	defer runtime.KeepAlive(r)
	config, err := newConfig(options)
	if err != nil {
		return Fit{}, err
	}
	defer C.inf_config_free(config)
	var fit C.inf_fit_desc
	fit.struct_size = C.uint32_t(unsafe.Sizeof(fit))
	err = call(func(e *C.inf_error) C.inf_status {
		p, n := chars(path)
		return C.inf_model_estimate(r.c(), p, n, config, &fit, e)
	})
	if err != nil {
		return Fit{}, err
	}
	return Fit{
		Fits:            fit.fits != 0,
		Device:          uint32(fit.device),
		ContextLength:   uint32(fit.context_length),
		WeightBytes:     uint64(fit.weight_bytes),
		KVBytesPerToken: uint64(fit.kv_bytes_per_token),
		KVBytes:         uint64(fit.kv_bytes),
		ScratchBytes:    uint64(fit.scratch_bytes),
		WantedBytes:     uint64(fit.wanted_bytes),
		ActiveBytes:     uint64(fit.active_bytes),
		LimitBytes:      uint64(fit.limit_bytes),
		MissingBytes:    uint64(fit.missing_bytes),
	}, nil
}
