// Methods of strings, lists and mappings; the attributes of loop and of macros.
#pragma once

#include <optional>
#include <string_view>

#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

// Null where values of this kind have no such method.
const MethodInfo* FindMethod(const Value& value, std::string_view name);
// Whether this is a method of Python's that would change the value: refused, as by Jinja's sandbox.
bool IsMutator(const Value& value, std::string_view name);
// Whether Python has this method and FindMethod does not.
bool IsOtherMethod(const Value& value, std::string_view name);

std::optional<Value> LoopAttribute(Runtime& runtime, const Loop& loop, std::string_view name);
std::optional<Value> MacroAttribute(Runtime& runtime, const Macro& macro, std::string_view name);

// For FindMethod: the tables of the two large families.
const MethodInfo* FindTextMethod(std::string_view name);
const MethodInfo* FindSplitMethod(std::string_view name);

}  // namespace inference::jinja
