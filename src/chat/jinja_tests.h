// Jinja's tests: value is name(args).
#pragma once

#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

struct TestInfo {
  std::string_view name;
  bool (*apply)(Runtime& runtime, const Value& value, const Args& args);
};

const TestInfo* FindTest(std::string_view name);  // null where unknown

}  // namespace inference::jinja
