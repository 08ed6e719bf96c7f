#include <cmath>

#include "formats/json.h"
#include "util/error.h"

namespace inference {

namespace {

// What a value is, for a message: short, whatever the value.
std::string Describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return Quote(value.get_ref<const std::string&>());
    default:
      return value.dump();
  }
}

// The value of `key`; nullptr where it is absent or null.
const Json* FindPresent(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

// Whether `value` is an integer in min..max, put in `out`.
bool ToInt(const Json& value, int64_t min, int64_t max, int64_t& out) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return false;
  }
  out = value.get<int64_t>();
  return out >= min && out <= max;
}

std::string IntRange(int64_t min, int64_t max) { return fmt::format("integer {}..{}", min, max); }
std::string FloatRange(double min, double max) { return fmt::format("number {}..{}", min, max); }

[[noreturn]] void FailField(const std::string& name, const char* key, const Json& value,
                            std::string_view wanted) {
  Fail(Status::kFormat, "{}: {}: is {}, expected {}", name, key, Describe(value), wanted);
}

[[noreturn]] void FailMissing(const std::string& name, const char* key, std::string_view wanted) {
  Fail(Status::kFormat, "{}: {}: is missing, expected {}", name, key, wanted);
}

}  // namespace

JsonFields::JsonFields(const Json& object, std::string name)
    : object_(&object), name_(std::move(name)) {
  Require(object.is_object(), Status::kFormat, "{}: is {}, expected an object", name_,
          Describe(object));
}

bool JsonFields::Has(const char* key) const { return FindPresent(*object_, key) != nullptr; }

std::optional<int64_t> JsonFields::FindInt(const char* key, int64_t min, int64_t max) const {
  const Json* value = FindPresent(*object_, key);
  if (value == nullptr) return std::nullopt;
  int64_t out = 0;
  if (!ToInt(*value, min, max, out)) FailField(name_, key, *value, IntRange(min, max));
  return out;
}

std::optional<double> JsonFields::FindFloat(const char* key, double min, double max) const {
  const Json* value = FindPresent(*object_, key);
  if (value == nullptr) return std::nullopt;
  const double out = value->is_number() ? value->get<double>() : 0;
  if (!value->is_number() || !std::isfinite(out) || out < min || out > max) {
    FailField(name_, key, *value, FloatRange(min, max));
  }
  return out;
}

std::optional<bool> JsonFields::FindBool(const char* key) const {
  const Json* value = FindPresent(*object_, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) FailField(name_, key, *value, "true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonFields::FindString(const char* key) const {
  const Json* value = FindPresent(*object_, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) FailField(name_, key, *value, "a string");
  return value->get<std::string>();
}

std::optional<JsonFields> JsonFields::FindObject(const char* key) const {
  const Json* value = FindPresent(*object_, key);
  if (value == nullptr) return std::nullopt;
  return JsonFields(*value, name_ + ": " + key);
}

const Json* JsonFields::FindArray(const char* key) const {
  const Json* value = FindPresent(*object_, key);
  if (value != nullptr && !value->is_array()) FailField(name_, key, *value, "an array");
  return value;
}

int64_t JsonFields::GetInt(const char* key, int64_t min, int64_t max) const {
  const std::optional<int64_t> value = FindInt(key, min, max);
  if (!value) FailMissing(name_, key, IntRange(min, max));
  return *value;
}

double JsonFields::GetFloat(const char* key, double min, double max) const {
  const std::optional<double> value = FindFloat(key, min, max);
  if (!value) FailMissing(name_, key, FloatRange(min, max));
  return *value;
}

std::string JsonFields::GetString(const char* key) const {
  std::optional<std::string> value = FindString(key);
  if (!value) FailMissing(name_, key, "a string");
  return *std::move(value);
}

}  // namespace inference
