//go:build !cgo || noopencl

package opencl

import (
	"testing"

	"libinference.dev/inference"
)

func TestStub(t *testing.T) {
	b, ok := inference.Get("opencl")
	if !ok || b.Available() {
		t.Fatalf("%v, %v", b, ok)
	}
	m, err := b.LoadModel("/m")
	if m != nil || err == nil || err.Error() != "opencl: built without the library (CGO_ENABLED=0 or the tag noopencl)" {
		t.Errorf("%v, %v", m, err)
	}
	_, err = inference.LoadModel("/m", inference.WithBackend("opencl"))
	if err == nil || err.Error() != `inference: backend "opencl" not available on this hardware` {
		t.Error(err)
	}
}
