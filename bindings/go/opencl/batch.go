//go:build cgo && !noopencl

package opencl

// #include "bridge.h"
import "C"

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"unsafe"
)

// BatchConfig says how to make a batch; its zero value is a good default.
type BatchConfig struct {
	Slots      int // requests that run at a time, 1 to 64; 0 = 16. The others wait their turn
	StepTokens int // tokens of a step at most, prompts and generated ones; 0 = the option "prefill_chunk"
}

// Batch runs many requests of one model together: a step computes the next token of every request that has
// its prompt, and beside them a part of the prompts that wait. A request gives the text, and the bits, that it
// gives alone, whoever else is there. One goroutine at a time.
type Batch struct {
	*handle
	requests *batchRequests
}

// batchRequests are those that have not ended; a batch's handle keeps them apart from the batch, so that its
// finalizer can let go of them.
type batchRequests struct {
	mu   sync.Mutex
	byID map[uint64]*batchRequest
}

type batchRequest struct {
	ctx    context.Context
	cancel canceller
	config generateConfig
}

// BatchEvent is a token of one request, or its end.
type BatchEvent struct {
	ID    uint64 // of the request, as Add gave it
	Token Token  // unless Done
	// Done: it has ended, this is its last event. Result says how, and Err why it failed: after a cancel it
	// matches ErrCancelled and the context's error. The other requests go on.
	Done   bool
	Result Result
	Err    error
}

// NewBatch returns a batch without requests.
func (m *Model) NewBatch(config BatchConfig) (*Batch, error) {
	defer runtime.KeepAlive(m)
	var options C.inf_batch_options
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	options.slots = unsigned(config.Slots)
	options.step_tokens = unsigned(config.StepTokens)
	var out *C.inf_batch
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_batch_new(m.c(), &options, &out, e) })
	if err != nil {
		return nil, err
	}
	requests := &batchRequests{byID: map[uint64]*batchRequest{}}
	return &Batch{newHandle(unsafe.Pointer(out), func(p unsafe.Pointer) {
		C.inf_batch_free((*C.inf_batch)(p))
		requests.releaseAll()
	}), requests}, nil
}

// unsigned makes a value of range that the library refuses, and names, of a negative one.
func unsigned(n int) C.uint32_t { return C.uint32_t(max(min(n, 1<<31), -1)) }

func (b *Batch) c() *C.inf_batch { return (*C.inf_batch)(b.ptr()) }

// Add makes a request join at the next step; also inside a loop over Events. Session nil gives it one of its
// own, which goes with it; another one is busy until the request has ended. Ending ctx ends this request
// alone. The functions of options such as WithPrefill are called inside the loop over Events.
func (b *Batch) Add(ctx context.Context, session *Session, prompt Prompt, opts ...GenerateOption) (uint64, error) {
	defer runtime.KeepAlive(b)
	defer runtime.KeepAlive(session)
	added := &batchRequest{ctx: ctx, config: newGenerateConfig(opts)}
	var err error
	if added.cancel, err = newCanceller(ctx); err != nil {
		return 0, err
	}
	request, err := newRequest(session, prompt, &added.config, added.cancel)
	if err != nil {
		added.cancel.release()
		return 0, withContext(ctx, err)
	}
	defer C.inf_request_free(request)
	var in *C.inf_session
	if session != nil {
		in = session.c()
		if in == nil { // closed: not the request's own
			added.cancel.release()
			return 0, &Error{Status: ErrHandle, Message: "session: is closed"}
		}
	}
	b.requests.mu.Lock()
	defer b.requests.mu.Unlock()
	var id C.uint64_t
	err = call(func(e *C.inf_error) C.inf_status { return C.inf_batch_add(b.c(), in, request, &id, e) })
	if err != nil {
		added.cancel.release()
		return 0, withContext(ctx, err)
	}
	b.requests.byID[uint64(id)] = added
	return uint64(id), nil
}

// Remove ends a request without another event; its session holds what was computed. ErrArgument where none
// of that id is left.
func (b *Batch) Remove(id uint64) error {
	defer runtime.KeepAlive(b)
	err := call(func(e *C.inf_error) C.inf_status { return C.inf_batch_remove(b.c(), C.uint64_t(id), e) })
	if err == nil {
		b.requests.take(id).cancel.release()
	}
	return err
}

// Events runs the batch: a loop over it gets the tokens and the end of every request, until none is left.
// Leaving the loop loses nothing, another one goes on. An error is the last pair of the sequence and
// concerns all requests (ErrDeviceLost); one of a single request is in its last event.
func (b *Batch) Events() iter.Seq2[BatchEvent, error] {
	return func(yield func(BatchEvent, error) bool) {
		defer runtime.KeepAlive(b)
		var turn turn
		for {
			turn.beforeCall()
			var next *C.inf_batch_event
			done := false
			err := call(func(e *C.inf_error) C.inf_status {
				status := C.inf_batch_next(b.c(), &next, e)
				done = status == C.INF_DONE
				return status
			})
			if err != nil {
				yield(BatchEvent{}, err)
				return
			}
			if done {
				return
			}
			if event, ok := b.requests.read(next); ok && !yield(event, nil) {
				return
			}
		}
	}
}

// read returns what the loop gets of an event, if anything.
func (r *batchRequests) read(event *C.inf_batch_event) (BatchEvent, bool) {
	out := BatchEvent{ID: uint64(event.id)}
	if event.event != nil {
		r.mu.Lock()
		request := r.byID[out.ID]
		r.mu.Unlock()
		token, ok := request.config.take(event.event)
		out.Token = token
		return out, ok
	}
	request := r.take(out.ID)
	request.cancel.release()
	out.Done = true
	out.Result = readResult(event.result)
	if event.status < 0 {
		out.Err = withContext(request.ctx, &Error{
			Status:  Status(event.status),
			Message: goText(event.message, C.size_t(event.message_len)),
		})
	}
	if request.config.result != nil {
		*request.config.result = out.Result
	}
	return out, true
}

func (r *batchRequests) take(id uint64) *batchRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	request := r.byID[id]
	delete(r.byID, id)
	return request
}

func (r *batchRequests) releaseAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, request := range r.byID {
		request.cancel.release()
		delete(r.byID, id)
	}
}
