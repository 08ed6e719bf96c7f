#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

namespace inference::capi {

namespace {

void SetOption(inf_config* config, const char* key, size_t key_len, OptionValue value) {
  const Hold held = Acquire(config, "config");
  const std::string_view name = TextArg(key, key_len, "key");
  CheckOption(name, value);
  held->values.insert_or_assign(std::string(name), std::move(value));
}

}  // namespace

bool FlagOption(const inf_config* config, const char* key) {
  if (config == nullptr) return false;
  const Hold held = Acquire(config, "config");
  const auto found = held->values.find(key);
  return found != held->values.end() && std::get<int64_t>(found->second) != 0;
}

TextOptions TextOptionsFrom(const inf_config* config) {
  TextOptions options;
  if (config == nullptr) return options;
  options.allow_symlinks = FlagOption(config, "allow_symlinks");
  const Hold held = Acquire(config, "config");
  const auto& values = held->values;
  if (const auto found = values.find("chat_template"); found != values.end()) {
    options.chat_template = std::get<std::string>(found->second);
  }
  if (const auto found = values.find("template_effort"); found != values.end()) {
    options.template_effort = std::get<int64_t>(found->second);
  }
  return options;
}

}  // namespace inference::capi

using namespace inference;
using namespace inference::capi;

extern "C" {

uint32_t inf_option_count(uint32_t scope) { return static_cast<uint32_t>(OptionsOf(scope).size()); }

inf_status inf_option_info(uint32_t scope, uint32_t index, inf_option_desc* out, inf_error* err) {
  return Guard(err, [&] {
    RequireOutStruct(out, "out");
    const std::span<const Option> options = OptionsOf(scope);
    Require(!options.empty(), Status::kArg,
            "scope: is {}, want INF_SCOPE_RUNTIME, _MODEL or _ADAPTER", scope);
    Require(index < options.size(), Status::kArg, "index: is {}, the scope has {} options", index,
            options.size());
    const Option& option = options[index];
    inf_option_desc desc = {};
    desc.type = option.type;
    desc.key = option.key;
    desc.default_text = option.default_text;
    desc.help = option.help;
    desc.min = option.min;
    desc.max = option.max;
    FillOut(out, desc);
  });
}

inf_status inf_config_new(inf_config** out, inf_error* err) {
  return Guard(err, [&] {
    RequireOut(out, "out");
    *out = NewHandle<inf_config>(std::make_shared<ConfigObject>());
  });
}

void inf_config_free(inf_config* config) { FreeHandle(config); }

inf_status inf_config_set_i64(inf_config* config, const char* key, size_t key_len, int64_t value,
                              inf_error* err) {
  return Guard(err, [&] { SetOption(config, key, key_len, value); });
}

inf_status inf_config_set_f64(inf_config* config, const char* key, size_t key_len, double value,
                              inf_error* err) {
  return Guard(err, [&] { SetOption(config, key, key_len, value); });
}

inf_status inf_config_set_str(inf_config* config, const char* key, size_t key_len,
                              const char* value, size_t value_len, inf_error* err) {
  return Guard(err, [&] {
    SetOption(config, key, key_len, std::string(TextArg(value, value_len, "value")));
  });
}

}  // extern "C"
