//go:build cgo && !noopencl

package opencl

// What package textbackend looks for in a model: counters and limits of the model's device, which are those of all
// models of the same runtime on it.

func (m *textModel) memory() Memory {
	memory, err := m.runtime.Memory(m.info.Device)
	if err != nil { // the runtime was closed
		return Memory{}
	}
	return memory
}

// ActiveMemory is what is in use, in bytes.
func (m *textModel) ActiveMemory() uint64 { return m.memory().Active }

// PeakMemory is the highest ActiveMemory so far, in bytes.
func (m *textModel) PeakMemory() uint64 { return m.memory().Peak }

// SetCacheLimit bounds what is kept for reuse.
func (m *textModel) SetCacheLimit(bytes uint64) (uint64, error) {
	return m.runtime.SetCacheLimit(m.info.Device, bytes)
}

// SetMemoryLimit bounds what is in use or kept for reuse.
func (m *textModel) SetMemoryLimit(bytes uint64) (uint64, error) {
	return m.runtime.SetMemoryLimit(m.info.Device, bytes)
}

// ClearCache gives back what is kept for reuse.
func (m *textModel) ClearCache() error { return m.runtime.TrimMemory(m.info.Device) }
