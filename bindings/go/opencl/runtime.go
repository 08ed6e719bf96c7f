//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"fmt"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Version is the library's version, such as "0.1.0".
func Version() string { return C.GoString(C.inf_version_string()) }

// LogLevel orders log lines; lower is more severe.
type LogLevel int32

const (
	LogError   LogLevel = C.INF_LOG_ERROR
	LogWarning LogLevel = C.INF_LOG_WARNING
	LogInfo    LogLevel = C.INF_LOG_INFO
	LogDebug   LogLevel = C.INF_LOG_DEBUG
)

// LogFunc receives the lines of a runtime, on any thread. It must not call this package; a panic in it
// is dropped, since it must not cross the library.
type LogFunc func(level LogLevel, part, message string)

// RuntimeConfig says how to make a Runtime; its zero value is a good default.
type RuntimeConfig struct {
	// Options by key: int, int64, float64 or string values. The header lists them (inf_option_info).
	Options map[string]any
	Log     LogFunc // nil for silence
}

// Runtime owns the devices, their memory and the kernel cache. Several may coexist.
type Runtime struct{ *handle }

// NewRuntime looks for devices and opens none. It succeeds where there are none: Devices is then
// empty, and LoadModel says why.
func NewRuntime(config RuntimeConfig) (*Runtime, error) {
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_check_abi(C.INF_VERSION_NUMBER, e)
	})
	if err != nil {
		return nil, err
	}
	options, err := newConfig(config.Options)
	if err != nil {
		return nil, err
	}
	defer C.inf_config_free(options)

	var log cgo.Handle
	if config.Log != nil {
		log = cgo.NewHandle(config.Log)
	}
	var out *C.inf_runtime
	err = call(func(e *C.inf_error) C.inf_status {
		return C.inf_go_runtime_new(options, C.uintptr_t(log), &out, e)
	})
	if err != nil {
		if log != 0 {
			log.Delete()
		}
		return nil, err
	}
	return &Runtime{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_runtime_free((*C.inf_runtime)(p))
	})}, nil
}

func (r *Runtime) c() *C.inf_runtime { return (*C.inf_runtime)(r.ptr()) }

// SetLogLevel says which lines reach the log function: those of this level and the more severe ones.
func (r *Runtime) SetLogLevel(level LogLevel) error {
	defer runtime.KeepAlive(r)
	return call(func(e *C.inf_error) C.inf_status {
		return C.inf_runtime_set_log_level(r.c(), C.int32_t(level), e)
	})
}

// DeviceType is the kind of a Device.
type DeviceType uint32

const (
	DeviceCPU         DeviceType = C.INF_DEVICE_CPU
	DeviceGPU         DeviceType = C.INF_DEVICE_GPU
	DeviceAccelerator DeviceType = C.INF_DEVICE_ACCELERATOR
)

// Device describes an OpenCL device; its index in Devices is its number.
type Device struct {
	Type          DeviceType
	Name          string
	Vendor        string
	Driver        string // platform and driver version
	MemoryBytes   uint64 // as the device reports it
	MaxAllocBytes uint64
	ComputeUnits  uint32
	IsDefault     bool // used where none is named
}

// Devices lists the devices in a fixed order.
func (r *Runtime) Devices() ([]Device, error) {
	defer runtime.KeepAlive(r)
	devices := make([]Device, C.inf_device_count(r.c()))
	for i := range devices {
		var d C.inf_device_desc
		d.struct_size = C.uint32_t(unsafe.Sizeof(d))
		err := call(func(e *C.inf_error) C.inf_status {
			return C.inf_device_info(r.c(), C.uint32_t(i), &d, e)
		})
		if err != nil {
			return nil, err
		}
		devices[i] = Device{
			Type:          DeviceType(d._type),
			Name:          C.GoString(d.name),
			Vendor:        C.GoString(d.vendor),
			Driver:        C.GoString(d.driver),
			MemoryBytes:   uint64(d.memory_bytes),
			MaxAllocBytes: uint64(d.max_alloc_bytes),
			ComputeUnits:  uint32(d.compute_units),
			IsDefault:     d.is_default != 0,
		}
	}
	return devices, nil
}

// newConfig returns a config of the library, to be freed; nil where there are no options.
func newConfig(options map[string]any) (*C.inf_config, error) {
	if len(options) == 0 {
		return nil, nil
	}
	var config *C.inf_config
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_config_new(&config, e) })
	if err != nil {
		return nil, err
	}
	for key, value := range options {
		if err := setOption(config, key, value); err != nil {
			C.inf_config_free(config)
			return nil, err
		}
	}
	return config, nil
}

func setOption(config *C.inf_config, key string, value any) error {
	switch v := value.(type) {
	case int:
		return setOption(config, key, int64(v))
	case int64:
		return call(func(e *C.inf_error) C.inf_status {
			k, n := chars(key)
			return C.inf_config_set_i64(config, k, n, C.int64_t(v), e)
		})
	case float64:
		return call(func(e *C.inf_error) C.inf_status {
			k, n := chars(key)
			return C.inf_config_set_f64(config, k, n, C.double(v), e)
		})
	case string:
		return call(func(e *C.inf_error) C.inf_status {
			k, n := chars(key)
			s, m := chars(v)
			return C.inf_config_set_str(config, k, n, s, m, e)
		})
	}
	return &Error{Status: ErrArgument, Message: fmt.Sprintf(
		"option %q: value is a %T, want int, int64, float64 or string", key, value)}
}

//export infGoLog
func infGoLog(log C.uintptr_t, level C.int32_t, part *C.char, partLen C.size_t, msg *C.char, msgLen C.size_t) {
	defer func() { _ = recover() }()
	cgo.Handle(log).Value().(LogFunc)(LogLevel(level), goText(part, partLen), goText(msg, msgLen))
}

//export infGoRelease
func infGoRelease(log C.uintptr_t) { cgo.Handle(log).Delete() }

func goText(s *C.char, n C.size_t) string {
	return string(unsafe.Slice((*byte)(unsafe.Pointer(s)), n))
}
