// Where the library's messages go: one sink per runtime, silent by default. Nothing is printed.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace inference {

enum class LogLevel : int32_t { kError = 1, kWarning = 2, kInfo = 3, kDebug = 4 };

class Logger {
 public:
  using Sink = std::function<void(LogLevel level, std::string_view part, std::string_view message)>;

  explicit Logger(Sink sink = {}) : sink_(std::move(sink)) {}

  void SetLevel(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

  // Formats only what will be delivered. `part` names the layer: "device", "loader", ...
  template <typename... Args>
  void Log(LogLevel level, std::string_view part, fmt::format_string<Args...> format,
           Args&&... args) const {
    if (!sink_ || level > level_.load(std::memory_order_relaxed)) return;
    sink_(level, part, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  Sink sink_;  // may be called from any thread
  std::atomic<LogLevel> level_{LogLevel::kWarning};
};

}  // namespace inference
