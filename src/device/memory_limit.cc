#include "device/memory_limit.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string>

namespace inference {

namespace {

constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

// A file that holds one number; "max" and whatever cannot be read are no limit.
uint64_t ReadLimit(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!std::getline(file, text)) return kNone;
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && value > 0 ? value : kNone;
}

uint64_t LowestUpwards(const std::string& root, std::string group, const std::string& file) {
  uint64_t lowest = ReadLimit(root + "/" + file);
  while (group.size() > 1) {
    lowest = std::min(lowest, ReadLimit(root + group + "/" + file));
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  return lowest;
}

}  // namespace

uint64_t CgroupMemoryLimit() {
  uint64_t lowest = kNone;
  std::ifstream groups("/proc/self/cgroup");  // lines "0::/group" (v2) and "9:memory:/group" (v1)
  for (std::string line; std::getline(groups, line);) {
    const size_t controllers = line.find(':');
    const size_t group = line.find(':', controllers + 1);
    if (controllers == std::string::npos || group == std::string::npos) continue;
    const std::string names = line.substr(controllers + 1, group - controllers - 1);
    const std::string path = line.substr(group + 1);
    if (names.empty()) {
      lowest = std::min(lowest, LowestUpwards("/sys/fs/cgroup", path, "memory.max"));
    } else if (names == "memory") {
      lowest =
          std::min(lowest, LowestUpwards("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
  }
  return lowest;
}

uint64_t DefaultMemoryLimit(const DeviceInfo& info) {
  uint64_t bytes = info.memory_bytes;
  if (info.type == DeviceType::kCpu) {
    // PoCL reports a part of it where memory was plugged in later.
    const long pages = ::sysconf(_SC_PHYS_PAGES), page_bytes = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) {
      bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
    }
  }
  return info.unified_memory ? std::min(bytes, CgroupMemoryLimit()) : bytes;
}

}  // namespace inference
