//go:build !cgo || noopencl

package opencl

import (
	"errors"

	"libinference.dev/inference"
)

func init() { inference.Register(stub{}) }

// stub stands for the backend where the library is not linked.
type stub struct{}

func (stub) Name() string    { return "opencl" }
func (stub) Available() bool { return false }
func (stub) LoadModel(string, ...inference.LoadOption) (inference.TextModel, error) {
	return nil, errors.New("opencl: built without the library (CGO_ENABLED=0 or the tag noopencl)")
}
