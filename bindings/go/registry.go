package inference

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

var (
	backendsMu sync.RWMutex
	backends   = map[string]Backend{}
)

// preference is the order in which Default looks at backends, before all others by name.
var preference = []string{"metal", "rocm", "llama_cpp", "opencl"}

// Register adds a backend, in place of an earlier one of the same name. Packages of backends call it
// when they are imported.
func Register(b Backend) {
	name := b.Name() // before the lock: a backend may use the registry
	backendsMu.Lock()
	defer backendsMu.Unlock()
	backends[name] = b
}

// Get returns the backend of that name.
func Get(name string) (Backend, bool) {
	backendsMu.RLock()
	defer backendsMu.RUnlock()
	b, ok := backends[name]
	return b, ok
}

// List returns the names of all backends, sorted.
func List() []string {
	backendsMu.RLock()
	defer backendsMu.RUnlock()
	return slices.Sorted(maps.Keys(backends))
}

// Default returns the first available backend: metal, rocm, llama_cpp, opencl, then any other, by name.
func Default() (Backend, error) {
	for _, name := range append(slices.Clone(preference), List()...) {
		if b, ok := Get(name); ok && b.Available() {
			return b, nil
		}
	}
	return nil, errors.New("inference: no backends registered (import a backend package)")
}

// choose returns the backend that the options name, or the default one.
func choose(cfg LoadConfig) (Backend, error) {
	if cfg.Backend == "" {
		return Default()
	}
	b, ok := Get(cfg.Backend)
	if !ok {
		return nil, fmt.Errorf("inference: backend %q not registered", cfg.Backend)
	}
	if !b.Available() {
		return nil, fmt.Errorf("inference: backend %q not available on this hardware", cfg.Backend)
	}
	return b, nil
}

// LoadModel loads a model with the backend of WithBackend, or with the default one, which gets all
// options. The backend's error is returned as it is.
func LoadModel(path string, opts ...LoadOption) (TextModel, error) {
	b, err := choose(ApplyLoadOpts(opts))
	if err != nil {
		return nil, err
	}
	return b.LoadModel(path, opts...)
}
