/* A machine without any OpenCL device: the runtime is there, a load says why it cannot be.
 *   no_device_test MODEL_FOLDER   (run with OCL_ICD_VENDORS naming an empty place)
 */
#include <stdio.h>
#include <string.h>

#include "inference.h"

int main(int argc, char** argv) {
  inf_runtime* runtime = NULL;
  inf_model* model = NULL;
  inf_tokenizer* tokenizer = NULL;
  inf_error err;
  inf_status status;
  uint32_t devices;

  if (argc != 2) return 2;
  memset(&err, 0, sizeof(err));
  err.struct_size = sizeof(err);
  if (inf_runtime_new(NULL, NULL, NULL, NULL, &runtime, &err) != INF_OK) {
    printf("inf_runtime_new: %s\n", err.msg);
    return 1;
  }
  devices = inf_device_count(runtime);
  status = inf_model_load(runtime, argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &err);
  printf("%u devices; %s: %s\n", (unsigned)devices, inf_status_name(status), err.msg);
  if (devices != 0 || status != INF_E_DEVICE || model != NULL || err.msg_len == 0) return 1;
  /* What needs no device works. */
  status = inf_tokenizer_load(argv[1], strlen(argv[1]), NULL, &tokenizer, &err);
  inf_tokenizer_free(tokenizer);
  inf_runtime_free(runtime);
  return status == INF_OK ? 0 : 1;
}
