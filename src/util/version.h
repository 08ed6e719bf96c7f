// The library's version, of which include/inference.h has the numbers.
#pragma once

namespace inference {

constexpr const char* kVersion = "0.1.0";

}  // namespace inference
