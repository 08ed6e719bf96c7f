// What Python's operators do with values. All raise Fault where Python raises.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "chat/jinja_ast.h"
#include "chat/jinja_runtime.h"
#include "chat/jinja_value.h"

namespace inference::jinja {

Value Arithmetic(Runtime& runtime, Op op, const Value& left, const Value& right);
Value Negate(const Value& value, bool minus);

bool Equals(Runtime& runtime, const Value& a, const Value& b, int depth = 0);
bool Compare(Runtime& runtime, Op op, const Value& a, const Value& b);  // every comparison operator
bool Contains(Runtime& runtime, const Value& container, const Value& item);

// The items that a for loop would see. Reads a generator to its end.
const std::vector<Value>& Iterate(Runtime& runtime, const Value& value);

const Value* FindKey(Runtime& runtime, const Dict& dict, const Value& key);  // null where absent
void SetKey(Runtime& runtime, Dict* dict, const Value& key, const Value& value);

// value.name and value[key] by Jinja's rules; undefined where there is nothing.
Value GetAttribute(Runtime& runtime, const Value& value, std::string_view name);
Value GetItem(Runtime& runtime, const Value& value, const Value& key);
// The attribute alone: a key of the same name does not stand in for it.
Value GetOwnAttribute(Runtime& runtime, const Value& value, std::string_view name);
// value[start:stop:step], each possibly none; raises where the value has no slices.
Value GetSlice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
               const Value& step);

// Raises the message of an undefined value.
void RequireDefined(const Value& value);

// `text` in Python's quotes, as an error message or repr() shows it.
std::string QuoteLikePython(std::string_view text);

}  // namespace inference::jinja
