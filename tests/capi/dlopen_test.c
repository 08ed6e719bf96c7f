/* A host that opens the library and closes it again and again, with work in between, as plugins do.
 *   dlopen_test LIBRARY MODEL */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "inference.h"

#define ROUNDS 100
#define WORK_EVERY 25 /* rounds: the others make a runtime only */

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, text); \
      return 1;                                                                 \
    }                                                                           \
  } while (0)

static const char* text = ""; /* of the last failure */
static void* library;

/* ISO C has no conversion from object pointers to functions: the bytes are what POSIX promises. */
static int Find(const char* name, void* function) {
  void* symbol = dlsym(library, name);
  memcpy(function, &symbol, sizeof(symbol));
  return symbol != NULL;
}

static int CountEntries(const char* folder) {
  int n = 0;
  DIR* dir = opendir(folder);
  if (dir == NULL) return -1;
  while (readdir(dir) != NULL) ++n;
  closedir(dir);
  return n;
}

static int32_t CountTokens(void* user, const inf_event* event) {
  if (event->kind == INF_EVENT_TOKEN && event->token >= 0) ++*(int*)user;
  return 0;
}

static int Round(const char* path, const char* model_path) {
  /* Declared by the header, not linked. */
  __typeof__(&inf_runtime_new) runtime_new;
  __typeof__(&inf_runtime_free) runtime_free;
  __typeof__(&inf_model_load) model_load;
  __typeof__(&inf_model_free) model_free;
  __typeof__(&inf_session_new) session_new;
  __typeof__(&inf_session_free) session_free;
  __typeof__(&inf_request_new) request_new;
  __typeof__(&inf_request_free) request_free;
  __typeof__(&inf_request_set_text) request_set_text;
  __typeof__(&inf_generate) generate;
  inf_runtime* runtime = NULL;
  inf_error err = {.struct_size = sizeof(err)};
  text = err.msg;

  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) text = dlerror();
  CHECK(library != NULL);
  CHECK(Find("inf_runtime_new", &runtime_new) && Find("inf_runtime_free", &runtime_free));
  CHECK(Find("inf_model_load", &model_load) && Find("inf_model_free", &model_free));
  CHECK(Find("inf_session_new", &session_new) && Find("inf_session_free", &session_free));
  CHECK(Find("inf_request_new", &request_new) && Find("inf_request_free", &request_free));
  CHECK(Find("inf_request_set_text", &request_set_text) && Find("inf_generate", &generate));
  CHECK(dlsym(library, "inf_no_such_function") == NULL);
  CHECK(runtime_new(NULL, NULL, NULL, NULL, &runtime, &err) == INF_OK);
  if (model_path != NULL) {
    inf_model* model = NULL;
    inf_session* session = NULL;
    inf_request* request = NULL;
    int tokens = 0;
    CHECK(model_load(runtime, model_path, strlen(model_path), NULL, NULL, NULL, NULL, &model,
                     &err) == INF_OK);
    CHECK(session_new(model, NULL, &session, &err) == INF_OK);
    CHECK(request_new(&request, &err) == INF_OK);
    CHECK(request_set_text(request, "Once", 4, INF_ADD_SPECIAL, &err) == INF_OK);
    CHECK(generate(session, request, CountTokens, &tokens, NULL, &err) == INF_OK);
    CHECK(tokens > 0);
    request_free(request);
    session_free(session);
    model_free(model);
  }
  runtime_free(runtime);
  CHECK(dlclose(library) == 0);
  text = "";
  return 0;
}

int main(int argc, char** argv) {
  int threads = 0, files = 0;
  if (argc != 3) return 2;
  for (int round = 0; round < ROUNDS; ++round) {
    if (Round(argv[1], round % WORK_EVERY == 0 ? argv[2] : NULL) != 0) return 1;
    if (round == WORK_EVERY) { /* what the driver keeps for good is there */
      threads = CountEntries("/proc/self/task");
      files = CountEntries("/proc/self/fd");
    }
  }
  printf("threads %d, %d at the end; files %d, %d\n", threads, CountEntries("/proc/self/task"),
         files, CountEntries("/proc/self/fd"));
  return CountEntries("/proc/self/task") == threads && CountEntries("/proc/self/fd") == files ? 0
                                                                                              : 1;
}
