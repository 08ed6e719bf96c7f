// clang-format off
//go:build cgo && !noopencl

// clang-format on
#include "bridge.h"

#include "_cgo_export.h"

/* Go exports carry no const: these have the exact types of the header. */
static void Log(void* user, int32_t level, const char* part, size_t part_len, const char* msg,
                size_t msg_len) {
  infGoLog((uintptr_t)user, level, (char*)part, part_len, (char*)msg, msg_len);
}

static void ReleaseLog(void* user) { infGoRelease((uintptr_t)user); }

static int32_t Progress(void* user, const inf_event* event) {
  return infGoProgress((uintptr_t)user, (inf_event*)event);
}

inf_status inf_go_runtime_new(const inf_config* config, uintptr_t log, inf_runtime** out,
                              inf_error* err) {
  if (log == 0) return inf_runtime_new(config, NULL, NULL, NULL, out, err);
  return inf_runtime_new(config, Log, (void*)log, ReleaseLog, out, err);
}

inf_status inf_go_model_load(inf_runtime* runtime, const char* path, size_t path_len,
                             const inf_config* config, inf_cancel* cancel, uintptr_t progress,
                             inf_model** out, inf_error* err) {
  return inf_model_load(runtime, path, path_len, config, cancel, progress != 0 ? Progress : NULL,
                        (void*)progress, out, err);
}
