#include "chat/jinja_value.h"

#include "chat/jinja_fault.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

const Value* Scope::Find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    for (const auto& [key, value] : scope->variables) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Scope::Set(std::string_view name, Value value) {
  for (auto& [key, old] : variables) {
    if (key == name) {
      old = value;
      return;
    }
  }
  variables.emplace_back(name, value);
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kNone:
      return "NoneType";
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kDict:
      return "dict";
    case Kind::kSpace:
      return value.Get<Space*>()->is_self ? "TemplateReference" : "Namespace";
    case Kind::kCycler:
      return "Cycler";
    case Kind::kJoiner:
      return "Joiner";
    case Kind::kMacro:
      return "Macro";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kBuiltin:
    case Kind::kMethod:
      return "builtin_function_or_method";
    case Kind::kList:
      break;
  }
  switch (value.list()->sequence) {
    case Sequence::kList:
      return "list";
    case Sequence::kTuple:
      return "tuple";
    case Sequence::kRange:
      return "range";
    case Sequence::kGenerator:
      return "generator";
    case Sequence::kKeys:
      return "dict_keys";
    case Sequence::kValues:
      return "dict_values";
    case Sequence::kItems:
      return "dict_items";
  }
  return "object";
}

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kNone:
    case Kind::kUndefined:
      return false;
    case Kind::kBool:
      return value.boolean();
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:  // a generator is an object like any other: true, even with nothing in it
      return value.list()->sequence == Sequence::kGenerator || !value.list()->items.empty();
    case Kind::kDict:
      return !value.dict()->entries.empty();
    default:
      return true;
  }
}

int64_t LengthOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return static_cast<int64_t>(CountChars(value.text()));
    case Kind::kDict:
      return static_cast<int64_t>(value.dict()->entries.size());
    case Kind::kLoop:
      return static_cast<int64_t>(value.Get<Loop*>()->items->size());
    case Kind::kList:
      if (value.list()->sequence != Sequence::kGenerator) {
        return static_cast<int64_t>(value.list()->items.size());
      }
      break;
    default:
      break;
  }
  Raise("object of type '{}' has no len()", TypeName(value));
}

}  // namespace inference::jinja
