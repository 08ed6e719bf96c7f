#include "chat/jinja_args.h"

#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"

namespace inference::jinja {

Bound::Bound(const Args& args, std::string_view function,
             std::initializer_list<std::string_view> names, size_t required)
    : function_(function), required_(required), names_(names), values_(names.size()) {
  if (args.positional.size() > names.size()) {
    Raise("{}: {} arguments, wanted at most {}", function, args.positional.size(), names.size());
  }
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    size_t i = 0;
    while (i < names_.size() && names_[i] != name) ++i;
    if (i == names_.size()) Raise("{}: unexpected argument {}", function, QuoteLikePython(name));
    if (values_[i] != nullptr)
      Raise("{}: argument {} given twice", function, QuoteLikePython(name));
    values_[i] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (values_[i] == nullptr) Raise("{}: missing argument '{}'", function, names_[i]);
  }
}

bool Bound::Flag(size_t i, bool fallback) const {
  return values_[i] == nullptr ? fallback : IsTrue(*values_[i]);
}

int64_t Bound::Integer(size_t i, int64_t fallback) const {
  const Value value = At(i);
  if (value.IsNone() && i >= required_) return fallback;
  RequireDefined(value);
  if (value.kind() != Kind::kInt && value.kind() != Kind::kBool) {
    Raise("{}: argument '{}' is of type '{}', wanted an integer", function_, names_[i],
          TypeName(value));
  }
  return value.integer();
}

std::string_view Bound::Text(size_t i, std::string_view fallback) const {
  const Value value = At(i);
  if (value.IsNone() && i >= required_) return fallback;
  RequireDefined(value);
  if (!value.IsString()) {
    Raise("{}: argument '{}' is of type '{}', wanted a string", function_, names_[i],
          TypeName(value));
  }
  return value.text();
}

}  // namespace inference::jinja
