// OpenCL codes as errors: "clEnqueueNDRangeKernel (matvec): CL_OUT_OF_RESOURCES (-5)".
#pragma once

#include <string>
#include <string_view>

#include "device/opencl.h"
#include "util/error.h"

namespace inference {

std::string ClCodeName(cl_int code);  // "CL_OUT_OF_RESOURCES (-5)"

// The status that a failed call other than an allocation is reported with.
Status ClStatus(cl_int code);

[[noreturn]] void FailCl(Status status, cl_int code, std::string_view call,
                         std::string_view subject = {});

// `subject` says what the call was about: a kernel's or a device's name.
inline void CheckCl(cl_int code, std::string_view call, std::string_view subject = {}) {
  if (code != CL_SUCCESS) FailCl(ClStatus(code), code, call, subject);
}

}  // namespace inference
