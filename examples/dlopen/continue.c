/* Continues a text with a library that is found when the program runs, so that it starts without
 * one:
 *
 *   make && ./continue libinference.so model.gguf "Once upon a time"
 *
 * Nothing is linked but dlopen; every symbol is looked up by its name and tested. The types come
 * from the header, which needs no library. */
#include <dlfcn.h>
#include <inference.h>
#include <stdio.h>
#include <string.h>

/* The functions that this program uses: a pointer for each, named like it. */
#define FUNCTIONS(X)      \
  X(inf_check_abi)        \
  X(inf_version_string)   \
  X(inf_status_name)      \
  X(inf_runtime_new)      \
  X(inf_runtime_free)     \
  X(inf_model_load)       \
  X(inf_model_free)       \
  X(inf_session_new)      \
  X(inf_session_free)     \
  X(inf_request_new)      \
  X(inf_request_free)     \
  X(inf_request_set_text) \
  X(inf_generate)

typedef struct {
#define MEMBER(name) __typeof__(name)* name;
  FUNCTIONS(MEMBER)
#undef MEMBER
} Api;

/* POSIX promises that an object pointer of dlsym holds a function's address; C knows no such cast.
 */
static int Find(void* library, const char* name, void* to) {
  void* const found = dlsym(library, name);
  if (found == NULL) {
    fprintf(stderr, "%s is not in this library: it is too old\n", name);
    return 0;
  }
  memcpy(to, &found, sizeof(found));
  return 1;
}

static int FindAll(void* library, Api* api) {
#define FIND(name) \
  if (!Find(library, #name, &api->name)) return 0;
  FUNCTIONS(FIND)
#undef FIND
  return 1;
}

static int32_t OnEvent(void* user, const inf_event* event) {
  (void)user;
  if (event->kind == INF_EVENT_TOKEN) fwrite(event->text, 1, (size_t)event->text_len, stdout);
  return fflush(stdout); /* 0: go on */
}

static inf_status Continue(const Api* api, const char* path, const char* text, inf_error* err) {
  inf_runtime* runtime = NULL;
  inf_model* model = NULL;
  inf_session* session = NULL;
  inf_request* request = NULL;
  inf_status status = api->inf_check_abi(INF_VERSION_NUMBER, err);
  if (status >= 0) status = api->inf_runtime_new(NULL, NULL, NULL, NULL, &runtime, err);
  if (status >= 0) {
    status = api->inf_model_load(runtime, path, strlen(path), NULL, NULL, NULL, NULL, &model, err);
  }
  if (status >= 0) status = api->inf_session_new(model, NULL, &session, err);
  if (status >= 0) status = api->inf_request_new(&request, err);
  if (status >= 0) {
    status = api->inf_request_set_text(request, text, strlen(text), INF_ADD_SPECIAL, err);
  }
  if (status >= 0) status = api->inf_generate(session, request, OnEvent, NULL, NULL, err);
  api->inf_request_free(request); /* NULL is fine, and so is any order */
  api->inf_session_free(session);
  api->inf_model_free(model);
  api->inf_runtime_free(runtime);
  return status;
}

int main(int argc, char** argv) {
  void* library;
  Api api;
  inf_error err;
  inf_status status;
  if (argc != 4) {
    fprintf(stderr, "usage: %s LIBRARY MODEL TEXT\n", argv[0]);
    return 2;
  }
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  if (!FindAll(library, &api)) return 1;
  memset(&err, 0, sizeof(err));
  err.struct_size = sizeof(err);
  status = Continue(&api, argv[2], argv[3], &err);
  if (status < 0) {
    fprintf(stderr, "%s: %s\n", api.inf_status_name(status), err.msg);
    return 1;
  }
  printf("\n\nby libinference %s\n", api.inf_version_string());
  dlclose(library);
  return 0;
}
