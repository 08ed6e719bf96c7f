//go:build cgo && !noopencl

// Package cstep generates from C alone: what benchmarks of the Go iterators are compared with.
package cstep

/*
#cgo pkg-config: inference
#include <inference.h>
#include <string.h>
#include <time.h>

typedef struct {
  inf_runtime* runtime;
  inf_model* model;
} cstep;

static inf_status cstep_load(cstep* c, const char* path, size_t len, inf_error* err) {
  inf_status status = inf_runtime_new(NULL, NULL, NULL, NULL, &c->runtime, err);
  if (status >= 0) status = inf_model_load(c->runtime, path, len, NULL, NULL, NULL, NULL, &c->model, err);
  return status;
}

static void cstep_free(cstep* c) {
  inf_model_free(c->model);
  inf_runtime_free(c->runtime);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// The tokens after the first one, and the nanoseconds that they took.
static inf_status cstep_run(cstep* c, const char* prompt, size_t len, int32_t max_tokens,
                            int64_t* tokens, int64_t* ns, inf_error* err) {
  inf_session* session = NULL;
  inf_request* request = NULL;
  inf_gen* gen = NULL;
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  sampling.max_tokens = max_tokens;
  inf_status status = inf_session_new(c->model, NULL, &session, err);
  if (status >= 0) status = inf_request_new(&request, err);
  if (status >= 0) status = inf_request_set_text(request, prompt, len, INF_ADD_SPECIAL, err);
  if (status >= 0) status = inf_request_set_sampling(request, &sampling, err);
  if (status >= 0) status = inf_gen_start(session, request, &gen, err);
  int64_t n = 0, start = 0, end = 0;
  while (status >= 0) {
    const inf_event* event;
    status = inf_gen_next(gen, &event, err);
    if (status != INF_OK) break;
    if (event->kind != INF_EVENT_TOKEN) continue;
    end = now_ns();
    if (n++ == 0) start = end;
  }
  *tokens = n - 1;
  *ns = end - start;
  inf_gen_free(gen);
  inf_request_free(request);
  inf_session_free(session);
  return status;
}
*/
import "C"

import (
	"errors"
	"time"
	"unsafe"
)

// Model is a model on a runtime of its own.
type Model struct{ c C.cstep }

// Load loads a model.
func Load(path string) (*Model, error) {
	m := new(Model)
	err := call(func(e *C.inf_error) C.inf_status {
		return C.cstep_load(&m.c, (*C.char)(unsafe.Pointer(unsafe.StringData(path))), C.size_t(len(path)), e)
	})
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Run continues a prompt, greedily, and returns how many tokens came after the first one, and what they took.
func (m *Model) Run(prompt string, maxTokens int) (tokens int, took time.Duration, err error) {
	var n, ns C.int64_t
	err = call(func(e *C.inf_error) C.inf_status {
		text := (*C.char)(unsafe.Pointer(unsafe.StringData(prompt)))
		return C.cstep_run(&m.c, text, C.size_t(len(prompt)), C.int32_t(maxTokens), &n, &ns, e)
	})
	return int(n), time.Duration(ns), err
}

// Close gives back the model.
func (m *Model) Close() { C.cstep_free(&m.c) }

func call(f func(e *C.inf_error) C.inf_status) error {
	var e C.inf_error
	e.struct_size = C.uint32_t(unsafe.Sizeof(e))
	if f(&e) < 0 {
		return errors.New(C.GoString(&e.msg[0]))
	}
	return nil
}
