// The arguments of a built-in function, filter, test or method, matched with its parameters.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

class Bound {
 public:
  // Raises where an argument is unknown, given twice, or among the first `required` and missing.
  // `function` begins messages.
  Bound(const Args& args, std::string_view function, std::initializer_list<std::string_view> names,
        size_t required = 0);

  bool Has(size_t i) const { return values_[i] != nullptr; }
  Value At(size_t i) const {  // or none
    return values_[i] == nullptr ? Value() : *values_[i];
  }
  bool Flag(size_t i, bool fallback) const;
  // Both raise where the argument is of another type; none counts as absent, where it may be.
  int64_t Integer(size_t i, int64_t fallback) const;
  std::string_view Text(size_t i, std::string_view fallback) const;

 private:
  std::string_view function_;
  size_t required_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> values_;  // null where absent
};

}  // namespace inference::jinja
