/* An OpenCL layer (OPENCL_LAYERS) that prints to stdout when it is loaded, as some drivers do. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>
#include <stdio.h>
#include <string.h>

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t size, void* value,
                                               size_t* size_ret) {
  const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  if (name != CL_LAYER_API_VERSION) return CL_INVALID_VALUE;
  if (value != NULL && size < sizeof(version)) return CL_INVALID_VALUE;
  if (value != NULL) memcpy(value, &version, sizeof(version));
  if (size_ret != NULL) *size_ret = sizeof(version);
  return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint n, const cl_icd_dispatch* target,
                                            cl_uint* n_ret, const cl_icd_dispatch** layer) {
  static cl_icd_dispatch same;
  if (target == NULL || n_ret == NULL || layer == NULL) return CL_INVALID_VALUE;
  if (n < sizeof(same) / sizeof(void*)) return CL_INVALID_VALUE;
  same = *target;
  *layer = &same;
  *n_ret = sizeof(same) / sizeof(void*);
  puts("chatty driver: hello");
  fflush(stdout);
  return CL_SUCCESS;
}
