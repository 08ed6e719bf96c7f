// The text of cl/NAME.cl, compiled into the library by cmake/embed_cl.cmake.
#pragma once

#include <string_view>

namespace inference {

std::string_view KernelSource(std::string_view name);  // empty where there is no such file

}  // namespace inference
