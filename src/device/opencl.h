// The OpenCL headers at the version that the library asks for, and owners of its objects.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include <memory>

namespace inference {

template <auto Release>
struct ClRelease {
  template <typename T>
  void operator()(T* object) const {
    Release(object);  // a failed release cannot be helped
  }
};

using ClContext = std::unique_ptr<_cl_context, ClRelease<clReleaseContext>>;
using ClQueue = std::unique_ptr<_cl_command_queue, ClRelease<clReleaseCommandQueue>>;
using ClProgram = std::unique_ptr<_cl_program, ClRelease<clReleaseProgram>>;
using ClKernel = std::unique_ptr<_cl_kernel, ClRelease<clReleaseKernel>>;
using ClEvent = std::unique_ptr<_cl_event, ClRelease<clReleaseEvent>>;

}  // namespace inference
