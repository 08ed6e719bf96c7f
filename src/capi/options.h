// The keyed options of runtimes and models: one table that config, loaders and inf_option_info
// share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace inference::capi {

using OptionValue = std::variant<int64_t, double, std::string>;

struct Option {
  uint32_t scope;  // INF_SCOPE_*
  uint32_t type;   // INF_OPTION_*, in the order of OptionValue's alternatives
  const char* key;
  double min, max;  // numbers only
  const char* default_text;
  const char* help;
  // Texts that may be set, or "" where any may.
  std::string_view choices = "";  // "f32 f16"
};

std::span<const Option> OptionsOf(uint32_t scope);  // empty for an unknown scope

// NOT_FOUND for a key that no scope has, ARG for a value of the wrong type or out of range.
void CheckOption(std::string_view key, const OptionValue& value);

}  // namespace inference::capi
