/* An OpenCL layer (OPENCL_LAYERS) that counts live references to objects: what a program holds,
 * whoever holds it. Calls go on to the driver unchanged. Read by cl_counts, see cl_counts.h. */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl_layer.h>
#include <stdatomic.h>
#include <string.h>

#include "cl_counts.h"

static const cl_icd_dispatch* driver;
static atomic_llong contexts, queues, buffers, programs, kernels, events;

__attribute__((visibility("default"))) void cl_counts(ClCounts* out) {
  out->contexts = atomic_load(&contexts);
  out->queues = atomic_load(&queues);
  out->buffers = atomic_load(&buffers);
  out->programs = atomic_load(&programs);
  out->kernels = atomic_load(&kernels);
  out->events = atomic_load(&events);
}

static cl_int Count(cl_int code, atomic_llong* counter, int by) {
  if (code == CL_SUCCESS) atomic_fetch_add(counter, by);
  return code;
}

#define RETAIN_RELEASE(Name, type, counter)                      \
  static cl_int CL_API_CALL Retain##Name(type object) {          \
    return Count(driver->clRetain##Name(object), &counter, 1);   \
  }                                                              \
  static cl_int CL_API_CALL Release##Name(type object) {         \
    return Count(driver->clRelease##Name(object), &counter, -1); \
  }
RETAIN_RELEASE(Context, cl_context, contexts)
RETAIN_RELEASE(CommandQueue, cl_command_queue, queues)
RETAIN_RELEASE(MemObject, cl_mem, buffers)
RETAIN_RELEASE(Program, cl_program, programs)
RETAIN_RELEASE(Kernel, cl_kernel, kernels)
RETAIN_RELEASE(Event, cl_event, events)

static cl_context CL_API_CALL CreateContext(
    const cl_context_properties* properties, cl_uint n, const cl_device_id* devices,
    void(CL_CALLBACK* notify)(const char*, const void*, size_t, void*), void* user, cl_int* code) {
  cl_context made = driver->clCreateContext(properties, n, devices, notify, user, code);
  if (made != NULL) atomic_fetch_add(&contexts, 1);
  return made;
}

static cl_command_queue CL_API_CALL CreateCommandQueue(cl_context context, cl_device_id device,
                                                       cl_command_queue_properties properties,
                                                       cl_int* code) {
  cl_command_queue made = driver->clCreateCommandQueue(context, device, properties, code);
  if (made != NULL) atomic_fetch_add(&queues, 1);
  return made;
}

static cl_mem CL_API_CALL CreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
                                       void* host, cl_int* code) {
  cl_mem made = driver->clCreateBuffer(context, flags, size, host, code);
  if (made != NULL) atomic_fetch_add(&buffers, 1);
  return made;
}

static cl_program CL_API_CALL CreateProgramWithSource(cl_context context, cl_uint n,
                                                      const char** strings, const size_t* lengths,
                                                      cl_int* code) {
  cl_program made = driver->clCreateProgramWithSource(context, n, strings, lengths, code);
  if (made != NULL) atomic_fetch_add(&programs, 1);
  return made;
}

static cl_program CL_API_CALL CreateProgramWithBinary(cl_context context, cl_uint n,
                                                      const cl_device_id* devices,
                                                      const size_t* lengths,
                                                      const unsigned char** binaries,
                                                      cl_int* status, cl_int* code) {
  cl_program made =
      driver->clCreateProgramWithBinary(context, n, devices, lengths, binaries, status, code);
  if (made != NULL) atomic_fetch_add(&programs, 1);
  return made;
}

static cl_kernel CL_API_CALL CreateKernel(cl_program program, const char* name, cl_int* code) {
  cl_kernel made = driver->clCreateKernel(program, name, code);
  if (made != NULL) atomic_fetch_add(&kernels, 1);
  return made;
}

/* What comes with an event where `event` is not NULL. */
static cl_int Queued(cl_int code, const cl_event* event) {
  return event == NULL ? code : Count(code, &events, 1);
}

static cl_int CL_API_CALL EnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer,
                                             cl_bool blocking, size_t offset, size_t size,
                                             const void* from, cl_uint n, const cl_event* wait,
                                             cl_event* event) {
  return Queued(
      driver->clEnqueueWriteBuffer(queue, buffer, blocking, offset, size, from, n, wait, event),
      event);
}

static cl_int CL_API_CALL EnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                            size_t offset, size_t size, void* to, cl_uint n,
                                            const cl_event* wait, cl_event* event) {
  return Queued(
      driver->clEnqueueReadBuffer(queue, buffer, blocking, offset, size, to, n, wait, event),
      event);
}

static cl_int CL_API_CALL EnqueueCopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to,
                                            size_t from_offset, size_t to_offset, size_t size,
                                            cl_uint n, const cl_event* wait, cl_event* event) {
  return Queued(
      driver->clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset, size, n, wait, event),
      event);
}

static cl_int CL_API_CALL EnqueueFillBuffer(cl_command_queue queue, cl_mem buffer,
                                            const void* pattern, size_t pattern_size, size_t offset,
                                            size_t size, cl_uint n, const cl_event* wait,
                                            cl_event* event) {
  return Queued(driver->clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size, n,
                                            wait, event),
                event);
}

static cl_int CL_API_CALL EnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                               cl_uint dim, const size_t* offset,
                                               const size_t* global, const size_t* local, cl_uint n,
                                               const cl_event* wait, cl_event* event) {
  return Queued(
      driver->clEnqueueNDRangeKernel(queue, kernel, dim, offset, global, local, n, wait, event),
      event);
}

static cl_int CL_API_CALL EnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint n,
                                                    const cl_event* wait, cl_event* event) {
  return Queued(driver->clEnqueueMarkerWithWaitList(queue, n, wait, event), event);
}

static void* CL_API_CALL EnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                          cl_map_flags flags, size_t offset, size_t size, cl_uint n,
                                          const cl_event* wait, cl_event* event, cl_int* code) {
  void* mapped = driver->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, n, wait,
                                            event, code);
  if (mapped != NULL && event != NULL) atomic_fetch_add(&events, 1);
  return mapped;
}

static cl_int CL_API_CALL EnqueueUnmapMemObject(cl_command_queue queue, cl_mem object, void* mapped,
                                                cl_uint n, const cl_event* wait, cl_event* event) {
  return Queued(driver->clEnqueueUnmapMemObject(queue, object, mapped, n, wait, event), event);
}

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
  static cl_icd_dispatch counting;
  if (target == NULL || n_ret == NULL || layer == NULL) return CL_INVALID_VALUE;
  if (n < sizeof(counting) / sizeof(void*)) return CL_INVALID_VALUE;
  driver = target;
  counting = *target;
  counting.clCreateContext = CreateContext;
  counting.clRetainContext = RetainContext;
  counting.clReleaseContext = ReleaseContext;
  counting.clCreateCommandQueue = CreateCommandQueue;
  counting.clRetainCommandQueue = RetainCommandQueue;
  counting.clReleaseCommandQueue = ReleaseCommandQueue;
  counting.clCreateBuffer = CreateBuffer;
  counting.clRetainMemObject = RetainMemObject;
  counting.clReleaseMemObject = ReleaseMemObject;
  counting.clCreateProgramWithSource = CreateProgramWithSource;
  counting.clCreateProgramWithBinary = CreateProgramWithBinary;
  counting.clRetainProgram = RetainProgram;
  counting.clReleaseProgram = ReleaseProgram;
  counting.clCreateKernel = CreateKernel;
  counting.clRetainKernel = RetainKernel;
  counting.clReleaseKernel = ReleaseKernel;
  counting.clRetainEvent = RetainEvent;
  counting.clReleaseEvent = ReleaseEvent;
  counting.clEnqueueWriteBuffer = EnqueueWriteBuffer;
  counting.clEnqueueReadBuffer = EnqueueReadBuffer;
  counting.clEnqueueCopyBuffer = EnqueueCopyBuffer;
  counting.clEnqueueFillBuffer = EnqueueFillBuffer;
  counting.clEnqueueNDRangeKernel = EnqueueNDRangeKernel;
  counting.clEnqueueMarkerWithWaitList = EnqueueMarkerWithWaitList;
  counting.clEnqueueMapBuffer = EnqueueMapBuffer;
  counting.clEnqueueUnmapMemObject = EnqueueUnmapMemObject;
  *layer = &counting;
  *n_ret = sizeof(counting) / sizeof(void*);
  return CL_SUCCESS;
}
