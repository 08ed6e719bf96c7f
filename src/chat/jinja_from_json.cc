#include "chat/jinja_from_json.h"

#include "chat/jinja_fault.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference::jinja {

namespace {

std::string_view CheckedText(const std::string& text) {
  if (!IsValidUtf8(text)) Raise("variables: {} is not UTF-8", Quote(text));
  return text;
}

Value FromUnsigned(uint64_t number) {
  if (number > static_cast<uint64_t>(INT64_MAX)) {
    Raise("variables: {} is beyond 64 bits with a sign", number);
  }
  return Value(static_cast<int64_t>(number));
}

}  // namespace

Value FromJson(Runtime& runtime, const OrderedJson& json) {
  const DepthGuard guard(runtime.depth);
  switch (json.type()) {
    case OrderedJson::value_t::null:
      return Value();
    case OrderedJson::value_t::boolean:
      return Value(json.get<bool>());
    case OrderedJson::value_t::number_integer:
      return Value(json.get<int64_t>());
    case OrderedJson::value_t::number_unsigned:
      return FromUnsigned(json.get<uint64_t>());
    case OrderedJson::value_t::number_float:
      return Value(json.get<double>());
    case OrderedJson::value_t::string:
      return Value(CheckedText(json.get_ref<const std::string&>()));
    case OrderedJson::value_t::array: {
      List* list = runtime.NewList();
      for (const OrderedJson& item : json) runtime.Append(list, FromJson(runtime, item));
      return Value(list);
    }
    case OrderedJson::value_t::object: {
      Dict* dict = runtime.NewDict();
      for (const auto& [key, item] : json.items()) {
        runtime.Charge(1);
        dict->entries.emplace_back(Value(CheckedText(key)), FromJson(runtime, item));
      }
      return Value(dict);
    }
    default:
      Raise("variables: a value is no JSON");
  }
}

}  // namespace inference::jinja
