//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"unsafe"
)

// Status says what kind of failure an Error is. The constants are the targets of errors.Is:
//
//	if errors.Is(err, opencl.ErrContextFull) { ... }
type Status int32

const (
	ErrInternal    Status = C.INF_E_INTERNAL // a defect of the library: please report the text
	ErrArgument    Status = C.INF_E_ARG
	ErrState       Status = C.INF_E_STATE
	ErrBusy        Status = C.INF_E_BUSY   // the object is in another call
	ErrABI         Status = C.INF_E_ABI    // this package and the library do not fit together
	ErrHandle      Status = C.INF_E_HANDLE // the object was closed
	ErrLimit       Status = C.INF_E_LIMIT
	ErrNotFound    Status = C.INF_E_NOT_FOUND
	ErrIO          Status = C.INF_E_IO
	ErrFormat      Status = C.INF_E_FORMAT
	ErrUnsupported Status = C.INF_E_UNSUPPORTED
	ErrPath        Status = C.INF_E_PATH
	ErrTemplate    Status = C.INF_E_TEMPLATE
	ErrNumeric     Status = C.INF_E_NUMERIC
	ErrOOMHost     Status = C.INF_E_OOM_HOST
	ErrOOMDevice   Status = C.INF_E_OOM_DEVICE
	ErrDevice      Status = C.INF_E_DEVICE
	ErrDeviceLost  Status = C.INF_E_DEVICE_LOST
	ErrKernelBuild Status = C.INF_E_KERNEL_BUILD
	ErrCancelled   Status = C.INF_E_CANCELLED // errors.Is finds the context's error too
	ErrCallback    Status = C.INF_E_CALLBACK
	ErrContextFull Status = C.INF_E_CONTEXT_FULL
	ErrMismatch    Status = C.INF_E_MISMATCH
)

// Error returns the name of the status, such as "NOT_FOUND".
func (s Status) Error() string { return C.GoString(C.inf_status_name(C.inf_status(s))) }

// Domain says where Error.Sub comes from.
type Domain int32

const (
	DomainNone     Domain = C.INF_DOMAIN_NONE
	DomainErrno    Domain = C.INF_DOMAIN_ERRNO
	DomainOpenCL   Domain = C.INF_DOMAIN_OPENCL
	DomainCallback Domain = C.INF_DOMAIN_CALLBACK
)

// Error is what every failing call of this package returns. Message names the file or object, the
// field, the value found and what was wanted.
type Error struct {
	Status  Status
	Message string
	Domain  Domain
	Sub     int32 // errno, cl_int

	cause error // the context's error, or what a callback returned
}

func (e *Error) Error() string { return fmt.Sprintf("opencl: %s: %s", e.Status.Error(), e.Message) }

// Is reports whether target is the error's Status.
func (e *Error) Is(target error) bool {
	status, ok := target.(Status)
	return ok && status == e.Status
}

// Unwrap returns the context's error after a cancel, the callback's error after ErrCallback, else nil.
func (e *Error) Unwrap() error { return e.cause }

// call runs one function of the library and turns a negative status into an *Error.
func call(f func(e *C.inf_error) C.inf_status) error {
	var e C.inf_error
	e.struct_size = C.uint32_t(unsafe.Sizeof(e))
	if status := f(&e); status < 0 {
		return newError(status, &e)
	}
	return nil
}

func newError(status C.inf_status, e *C.inf_error) *Error {
	return &Error{
		Status:  Status(status),
		Message: C.GoStringN(&e.msg[0], C.int(min(int(e.msg_len), len(e.msg)))),
		Domain:  Domain(e.domain),
		Sub:     int32(e.sub),
	}
}

// withContext gives a cancelled call's error the context's own error as its cause.
func withContext(ctx context.Context, err error) error {
	if e, ok := err.(*Error); ok && e.Status == ErrCancelled && e.cause == nil {
		e.cause = ctx.Err()
	}
	return err
}
