//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// DiffConfig says which two sides Diff compares: without adapters a side is the base of the model.
type DiffConfig struct {
	Base, Adapted   []AdapterUse
	LastOnly        bool   // only what follows the last token of a text
	TopK            int    // tokens that moved most, at each position: 0 to 64
	Window, Overlap uint64 // as for ScoreRolling; 0: the model's context, and one
}

// MovedToken is a token whose probability changed.
type MovedToken struct {
	ID            int32
	Base, Adapted float32 // ln of its probability on each side
}

// DiffPosition is how the sides differ after one token, in nats.
type DiffPosition struct {
	Base, Adapted float32 // log-probability of the token that follows; NaN with LastOnly
	KL            float32 // KL(adapted || base)
	KLReverse     float32 // KL(base || adapted)
	JS            float32 // Jensen-Shannon, at most ln 2
	Moved         []MovedToken
}

// Diff is how the sides differ on one text, or why that is not known.
type Diff struct {
	IDs                           []int32        // of the text
	Positions                     []DiffPosition // after each token but the last; with LastOnly after the last
	BaseLogProb, AdaptedLogProb   float64        // totals; 0 with LastOnly
	MeanKL, MeanKLReverse, MeanJS float64
	MaxKL, MaxJS                  float64
	Err                           error
}

// Diff compares two sides of the model on each text: both run in the same steps, over one copy of the weights.
// Where they are the same, all distances are exactly 0.
func (m *Model) Diff(ctx context.Context, texts []string, config DiffConfig) ([]Diff, error) {
	defer runtime.KeepAlive(m)
	base, err := requestUnder(config.Base)
	if err != nil {
		return nil, err
	}
	defer C.inf_request_free(base)
	adapted, err := requestUnder(config.Adapted)
	if err != nil {
		return nil, err
	}
	defer C.inf_request_free(adapted)
	var options C.inf_diff_options
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	if config.LastOnly {
		options.flags = C.INF_DIFF_LAST
	}
	options.top_k = C.uint32_t(min(max(config.TopK, 0), 1<<31-1))
	options.window, options.overlap = C.uint64_t(config.Window), C.uint64_t(config.Overlap)
	results := make([]Diff, 0, len(texts))
	err = many(ctx, [][]string{texts},
		func(in []*C.inf_inputs, cancel *C.inf_cancel, out **C.inf_items, e *C.inf_error) C.inf_status {
			return C.inf_diff(m.c(), in[0], base, adapted, &options, cancel, out, e)
		},
		func(items *C.inf_items, i C.uint64_t) { results = append(results, takeDiff(items, i)) })
	return results, err
}

func takeDiff(items *C.inf_items, i C.uint64_t) Diff {
	var desc C.inf_diff_desc
	desc.struct_size = C.uint32_t(unsafe.Sizeof(desc))
	var ids C.inf_tokens
	var values C.inf_floats
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_items_diff(items, i, &desc, &ids, &values, e)
	})
	diff := Diff{
		IDs:            takeTokens(&ids),
		BaseLogProb:    float64(desc.base_logprob),
		AdaptedLogProb: float64(desc.adapted_logprob),
		MeanKL:         float64(desc.mean_kl),
		MeanKLReverse:  float64(desc.mean_kl_reverse),
		MeanJS:         float64(desc.mean_js),
		MaxKL:          float64(desc.max_kl),
		MaxJS:          float64(desc.max_js),
		Err:            err,
	}
	table := takeFloats(&values)
	for p := C.uint64_t(0); p < desc.positions && diff.Err == nil; p++ {
		row := table[p*C.INF_DIFF_COLUMNS:][:C.INF_DIFF_COLUMNS]
		moved, err := takeMoved(items, i, p)
		diff.Err = err
		diff.Positions = append(diff.Positions, DiffPosition{
			Base:      row[C.INF_DIFF_BASE],
			Adapted:   row[C.INF_DIFF_ADAPTED],
			KL:        row[C.INF_DIFF_KL],
			KLReverse: row[C.INF_DIFF_KL_REVERSE],
			JS:        row[C.INF_DIFF_JS],
			Moved:     moved,
		})
	}
	return diff
}

func takeMoved(items *C.inf_items, i, position C.uint64_t) ([]MovedToken, error) {
	var ids C.inf_tokens
	var logProbs C.inf_floats
	err := call(func(e *C.inf_error) C.inf_status {
		return C.inf_items_moved(items, i, position, &ids, &logProbs, e)
	})
	values := takeFloats(&logProbs)
	var moved []MovedToken
	for k, id := range takeTokens(&ids) {
		moved = append(moved, MovedToken{id, values[2*k], values[2*k+1]})
	}
	return moved, err
}
