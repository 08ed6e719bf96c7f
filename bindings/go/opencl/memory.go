//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"math"
	"runtime"
	"unsafe"
)

// NoLimit is a limit that nothing passes.
const NoLimit uint64 = math.MaxUint64

// Memory is what a runtime holds of a device's memory, in bytes.
type Memory struct {
	Active     uint64 // in use
	Cached     uint64 // given back, kept for reuse
	Peak       uint64 // highest Active since the start or the last ResetPeakMemory
	Limit      uint64 // of Active and Cached together, or NoLimit
	CacheLimit uint64 // of Cached, or NoLimit
}

// Memory reads the counters of a device, by its index in Devices.
func (r *Runtime) Memory(device int) (Memory, error) {
	defer runtime.KeepAlive(r)
	var m C.inf_memory_desc
	m.struct_size = C.uint32_t(unsafe.Sizeof(m))
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_memory_info(r.c(), C.uint32_t(device), &m, e)
	})
	if err != nil {
		return Memory{}, err
	}
	return Memory{
		Active:     uint64(m.active_bytes),
		Cached:     uint64(m.cached_bytes),
		Peak:       uint64(m.peak_bytes),
		Limit:      uint64(m.limit_bytes),
		CacheLimit: uint64(m.cache_limit_bytes),
	}, nil
}

// SetMemoryLimit says how much a device may hold, active and cached, and returns the earlier limit; 0
// is what the runtime began with. What needs more is refused with ErrOOMDevice, the numbers in its
// text.
func (r *Runtime) SetMemoryLimit(device int, bytes uint64) (old uint64, err error) {
	defer runtime.KeepAlive(r)
	var earlier C.uint64_t
	err = call(func(e *C.inf_error) C.inf_status {
		return C.inf_memory_set_limit(r.c(), C.uint32_t(device), C.uint64_t(bytes), &earlier, e)
	})
	return uint64(earlier), err
}

// SetCacheLimit says how much freed memory of a device is kept for reuse, and returns the earlier
// limit; 0 keeps nothing.
func (r *Runtime) SetCacheLimit(device int, bytes uint64) (old uint64, err error) {
	defer runtime.KeepAlive(r)
	var earlier C.uint64_t
	err = call(func(e *C.inf_error) C.inf_status {
		return C.inf_memory_set_cache_limit(r.c(), C.uint32_t(device), C.uint64_t(bytes), &earlier, e)
	})
	return uint64(earlier), err
}

// ResetPeakMemory makes Peak what is active now.
func (r *Runtime) ResetPeakMemory(device int) error {
	defer runtime.KeepAlive(r)
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_memory_reset_peak(r.c(), C.uint32_t(device), e)
	})
}

// TrimMemory gives what is cached back to the driver.
func (r *Runtime) TrimMemory(device int) error {
	defer runtime.KeepAlive(r)
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_memory_trim(r.c(), C.uint32_t(device), e)
	})
}

// MetricsJSON tells what the runtime has done and holds: requests, tokens, times, models, devices. The
// header says what is in it (inf_runtime_metrics).
func (r *Runtime) MetricsJSON() (string, error) {
	defer runtime.KeepAlive(r)
	var out C.inf_buf
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_runtime_metrics(r.c(), &out, e) })
	if err != nil {
		return "", err
	}
	return takeText(&out), nil
}
