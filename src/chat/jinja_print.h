// Values as text: str(), repr() and json.dumps() of Python, to the letter.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

std::string_view Str(Runtime& runtime, const Value& value);  // what {{ value }} prints
std::string_view Repr(Runtime& runtime, const Value& value);
std::string FloatRepr(double value);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string_view> indent;  // of one level; none: everything on one line
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
  bool sort_keys = false;
};

std::string_view ToJson(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace inference::jinja
