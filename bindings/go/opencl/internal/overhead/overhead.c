// clang-format off
//go:build cgo && !noopencl

// clang-format on
#define _GNU_SOURCE
#include "overhead.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* inf_gen_next stands before the library's function in a program that links this file: it calls
 * that one, and notes the time between its end and the next call, which is what the caller adds. */

static int64_t* gaps;
static size_t room, count;
static int64_t ended; /* 0: before the first call */

void inf_go_note_gaps(int64_t* out, size_t n) {
  gaps = out;
  room = n;
  count = 0;
  ended = 0;
}

size_t inf_go_gaps_noted(void) { return count; }

static int64_t Now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

typedef inf_status (*next_fn)(inf_gen*, const inf_event**, inf_error*);

inf_status inf_gen_next(inf_gen* gen, const inf_event** event, inf_error* err) {
  static _Atomic(next_fn) real;
  next_fn next = atomic_load(&real);
  if (next == NULL) {
    next = (next_fn)dlsym(RTLD_NEXT, "inf_gen_next");
    atomic_store(&real, next);
  }
  const int64_t begun = Now();
  if (ended != 0 && count < room) gaps[count++] = begun - ended;
  const inf_status status = next(gen, event, err);
  ended = Now();
  return status;
}

inf_status inf_go_loop(const char* path, const char* prompt, int32_t tokens, int32_t rounds,
                       inf_error* err) {
  inf_runtime* runtime = NULL;
  inf_model* model = NULL;
  inf_request* request = NULL;
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  sampling.max_tokens = tokens;
  inf_status status = inf_runtime_new(NULL, NULL, NULL, NULL, &runtime, err);
  if (status >= 0)
    status = inf_model_load(runtime, path, strlen(path), NULL, NULL, NULL, NULL, &model, err);
  if (status >= 0) status = inf_request_new(&request, err);
  if (status >= 0)
    status = inf_request_set_text(request, prompt, strlen(prompt), INF_ADD_SPECIAL, err);
  if (status >= 0) status = inf_request_set_sampling(request, &sampling, err);
  for (int32_t i = 0; i < rounds && status >= 0; ++i) {
    inf_session* session = NULL;
    inf_gen* gen = NULL;
    const inf_event* event;
    ended = 0;
    status = inf_session_new(model, NULL, &session, err);
    if (status >= 0) status = inf_gen_start(session, request, &gen, err);
    while (status == INF_OK) status = inf_gen_next(gen, &event, err);
    inf_gen_free(gen);
    inf_session_free(session);
  }
  inf_request_free(request);
  inf_model_free(model);
  inf_runtime_free(runtime);
  return status < 0 ? status : INF_OK;
}
