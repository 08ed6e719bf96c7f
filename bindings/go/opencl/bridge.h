/* Calls whose callbacks end in Go. A cgo.Handle travels as the user pointer, which nobody follows.
 */
#ifndef INFERENCE_GO_BRIDGE_H_
#define INFERENCE_GO_BRIDGE_H_

#include <inference.h>

/* log: a handle, released with the runtime and its children; 0 for silence. */
inf_status inf_go_runtime_new(const inf_config* config, uintptr_t log, inf_runtime** out,
                              inf_error* err);

/* progress: a handle that lives through the call; 0 for none. */
inf_status inf_go_model_load(inf_runtime* runtime, const char* path, size_t path_len,
                             const inf_config* config, inf_cancel* cancel, uintptr_t progress,
                             inf_model** out, inf_error* err);

#endif /* INFERENCE_GO_BRIDGE_H_ */
