// What goes wrong inside a template. ChatTemplate turns it into a TEMPLATE error with line and
// column.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace inference::jinja {

class Fault : public std::runtime_error {
 public:
  static constexpr size_t kHere = static_cast<size_t>(-1);  // where the evaluator stands

  Fault(size_t offset, const std::string& message) : std::runtime_error(message), offset_(offset) {}
  size_t offset() const { return offset_; }  // byte offset in the template's source

 private:
  size_t offset_;
};

template <typename... Args>
[[noreturn]] void RaiseAt(size_t offset, fmt::format_string<Args...> format, Args&&... args) {
  throw Fault(offset, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void Raise(fmt::format_string<Args...> format, Args&&... args) {
  throw Fault(Fault::kHere, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace inference::jinja
