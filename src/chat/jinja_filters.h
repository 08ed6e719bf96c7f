// Jinja's filters: value|name(args).
#pragma once

#include <string>
#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

struct FilterInfo {
  std::string_view name;
  Value (*apply)(Runtime& runtime, const Value& value, const Args& args);
};

const FilterInfo* FindFilter(std::string_view name);  // null where unknown

// For FindFilter: the families.
const FilterInfo* FindTextFilter(std::string_view name);
const FilterInfo* FindNumberFilter(std::string_view name);
const FilterInfo* FindListFilter(std::string_view name);
const FilterInfo* FindSelectFilter(std::string_view name);
const FilterInfo* FindGroupFilter(std::string_view name);
const FilterInfo* FindEncodeFilter(std::string_view name);

// Why FindFilter does not know `name`: not supported, though Jinja has it; or not there at all.
std::string NoFilterMessage(std::string_view name);

// The value of `attribute` ("a.b" too; the item itself where it is none) as sorting compares it.
Value KeyOf(Runtime& runtime, const Value& item, const Value& attribute, bool case_sensitive,
            const Value* fallback = nullptr);

// value.a.0.b for the attribute "a.0.b" (or an integer); `fallback` stands for undefined steps.
Value GetPath(Runtime& runtime, const Value& value, const Value& attribute,
              const Value* fallback = nullptr);

}  // namespace inference::jinja
