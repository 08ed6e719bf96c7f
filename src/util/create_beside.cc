#include "util/create_beside.h"

#include <fmt/format.h>

#include <cerrno>
#include <random>

namespace inference {

std::string CreateBeside(const std::string& path, const std::function<int(const char*)>& create) {
  constexpr int kAttempts = 100;
  std::random_device random;
  for (int i = 1;; ++i) {
    std::string name = fmt::format("{}.{:08x}", path, random());
    if (create(name.c_str()) >= 0 || errno != EEXIST || i == kAttempts) return name;
  }
}

}  // namespace inference
