// What several parts of tokenizer.json share.
#include "tokenizer/json_parts.h"

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

void FailPart(const JsonFields& step, std::string_view type) {
  Fail(Status::kUnsupported, "{}: type {} is not supported", step.name(), Quote(type));
}

std::string GetCharacter(const JsonFields& step, const char* key) {
  std::string text = step.GetString(key);
  Require(!text.empty() && DecodeUtf8(text, 0).length == text.size(), Status::kFormat,
          "{}: {}: is {}, expected one character", step.name(), key, Quote(text));
  return text;
}

void CheckLength(const JsonFields& step, const char* key, std::string_view text) {
  Require(text.size() <= kMaxTextBytes, Status::kLimit, "{}: {}: has {} bytes, expected at most {}",
          step.name(), key, text.size(), kMaxTextBytes);
}

std::string GetText(const JsonFields& step, const char* key, std::string_view by_default) {
  std::string text = step.FindString(key).value_or(std::string(by_default));
  Require(!text.empty(), Status::kFormat, "{}: {}: is empty, expected text", step.name(), key);
  CheckLength(step, key, text);
  return text;
}

PrependScheme ParsePrepend(const JsonFields& step) {
  const std::string name = step.FindString("prepend_scheme").value_or("");
  if (name == "always") return PrependScheme::kAlways;
  if (name == "never") return PrependScheme::kNever;
  if (name == "first") return PrependScheme::kFirst;
  Require(name.empty(), Status::kUnsupported, "{}: prepend_scheme: {} is not supported",
          step.name(), Quote(name));
  return step.FindBool("add_prefix_space").value_or(true) ? PrependScheme::kAlways
                                                          : PrependScheme::kNever;
}

PatternField ParsePattern(const JsonFields& step) {
  const std::optional<JsonFields> field = step.FindObject("pattern");
  Require(field.has_value(), Status::kFormat,
          "{}: pattern: is missing, expected {{\"String\": ...}} or {{\"Regex\": ...}}",
          step.name());
  if (std::optional<std::string> regex = field->FindString("Regex")) {
    return {true, *std::move(regex)};
  }
  std::string text = field->GetString("String");
  Require(!text.empty(), Status::kFormat, "{}: String: is empty, expected text", field->name());
  CheckLength(*field, "String", text);
  return {false, std::move(text)};
}

Replacement ParseReplacement(const JsonFields& step) {
  PatternField pattern = ParsePattern(step);
  std::string content = step.GetString("content");
  if (pattern.is_regex) return {Regex(pattern.text, step.name()), std::move(content)};
  return {std::move(pattern.text), std::move(content)};
}

}  // namespace inference
