#include <array>
#include <cmath>
#include <string>

#include "formats/gguf.h"
#include "util/error.h"

namespace inference {

namespace {

using Value = GgufMetadata::Value;

// What a value is, for a message: scalars with their value.
std::string Describe(const Value& value) {
  constexpr std::array<std::string_view, 8> kNames = {"an integer",
                                                      "a float",
                                                      "a bool",
                                                      "a string",
                                                      "an array of integers",
                                                      "an array of floats",
                                                      "an array of bools",
                                                      "an array of strings"};
  if (const auto* v = std::get_if<int64_t>(&value)) return fmt::to_string(*v);
  if (const auto* v = std::get_if<double>(&value)) return fmt::to_string(*v);
  if (const auto* v = std::get_if<bool>(&value)) return fmt::to_string(*v);
  if (const auto* v = std::get_if<std::string>(&value)) return Quote(*v);
  return std::string(kNames[value.index()]);
}

std::string IntRange(int64_t min, int64_t max) { return fmt::format("integer {}..{}", min, max); }

[[noreturn]] void FailKey(const GgufMetadata& metadata, std::string_view key, const Value& value,
                          std::string_view wanted) {
  Fail(Status::kFormat, "{}: key {}: is {}, expected {}", metadata.path(), Quote(key),
       Describe(value), wanted);
}

[[noreturn]] void FailMissing(const GgufMetadata& metadata, std::string_view key,
                              std::string_view wanted) {
  Fail(Status::kFormat, "{}: key {}: is missing, expected {}", metadata.path(), Quote(key), wanted);
}

const Value* Find(const GgufMetadata& metadata, std::string_view key) {
  const auto at = metadata.values().find(std::string(key));
  return at == metadata.values().end() ? nullptr : &at->second;
}

// The value of `key` as a T; nullptr where the key is absent.
template <typename T>
const T* FindAs(const GgufMetadata& metadata, std::string_view key, std::string_view wanted) {
  const Value* value = Find(metadata, key);
  if (value == nullptr) return nullptr;
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) FailKey(metadata, key, *value, wanted);
  return typed;
}

}  // namespace

bool GgufMetadata::Has(std::string_view key) const { return Find(*this, key) != nullptr; }

void GgufMetadata::Set(std::string key, Value value) {
  const auto [at, is_new] = values_.try_emplace(std::move(key), std::move(value));
  Require(is_new, Status::kFormat, "{}: duplicate key {}", path_, Quote(at->first));
}

std::optional<int64_t> GgufMetadata::FindInt(std::string_view key, int64_t min, int64_t max) const {
  const Value* value = Find(*this, key);
  if (value == nullptr) return std::nullopt;
  const auto* number = std::get_if<int64_t>(value);
  if (number == nullptr || *number < min || *number > max) {
    FailKey(*this, key, *value, IntRange(min, max));
  }
  return *number;
}

std::optional<double> GgufMetadata::FindFloat(std::string_view key) const {
  const Value* value = Find(*this, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* integer = std::get_if<int64_t>(value)) return static_cast<double>(*integer);
  const auto* number = std::get_if<double>(value);
  if (number == nullptr || !std::isfinite(*number)) FailKey(*this, key, *value, "a finite number");
  return *number;
}

std::optional<bool> GgufMetadata::FindBool(std::string_view key) const {
  const bool* value = FindAs<bool>(*this, key, "a bool");
  return value == nullptr ? std::nullopt : std::optional(*value);
}

const std::string* GgufMetadata::FindString(std::string_view key) const {
  return FindAs<std::string>(*this, key, "a string");
}

const std::vector<std::string>* GgufMetadata::FindStrings(std::string_view key) const {
  return FindAs<std::vector<std::string>>(*this, key, "an array of strings");
}

const std::vector<int64_t>* GgufMetadata::FindInts(std::string_view key) const {
  return FindAs<std::vector<int64_t>>(*this, key, "an array of integers");
}

const std::vector<double>* GgufMetadata::FindFloats(std::string_view key) const {
  return FindAs<std::vector<double>>(*this, key, "an array of floats");
}

int64_t GgufMetadata::GetInt(std::string_view key, int64_t min, int64_t max) const {
  const std::optional<int64_t> value = FindInt(key, min, max);
  if (!value) FailMissing(*this, key, IntRange(min, max));
  return *value;
}

double GgufMetadata::GetFloat(std::string_view key) const {
  const std::optional<double> value = FindFloat(key);
  if (!value) FailMissing(*this, key, "a number");
  return *value;
}

const std::string& GgufMetadata::GetString(std::string_view key) const {
  const std::string* value = FindString(key);
  if (value == nullptr) FailMissing(*this, key, "a string");
  return *value;
}

}  // namespace inference
