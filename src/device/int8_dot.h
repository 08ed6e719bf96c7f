// How a device multiplies signed bytes by fours and adds them to a sum of 32 bits. What a driver
// says it can is believed once a small kernel has been built and its results are right.
#pragma once

#include <string>
#include <string_view>

namespace inference {

class Device;

// INT8_DOT_* in cl/int8_dot.cl.
enum class Int8Dot { kPlain = 0, kKhr = 1, kPtx = 2 };

std::string_view Int8DotName(Int8Dot form);  // "plain", "khr", "ptx"
std::string Int8DotDefine(
    Int8Dot form);  // " -D INT8_DOT=1", for kernels that include cl/int8_dot.cl

// Whether the form builds and gives right results. Any thread; compiles a kernel where it may.
bool HasInt8Dot(Device& device, Int8Dot form);

// The best form that the device has; kPlain always works. Device::BestInt8Dot asks once.
Int8Dot ProbeInt8Dot(Device& device);

}  // namespace inference
