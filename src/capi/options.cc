#include "capi/options.h"

#include <algorithm>
#include <array>

#include "chat/chat_template.h"
#include "inference.h"
#include "util/error.h"

namespace inference::capi {

namespace {

constexpr double kMaxBytes = 9007199254740992.0;  // 2^53: exact as a double

constexpr std::array kRuntimeOptions = {
    Option{INF_SCOPE_RUNTIME, INF_OPTION_STRING, "cache_dir", 0, 0, "",
           "Folder for compiled kernels; empty: $XDG_CACHE_HOME or ~/.cache, + /libinference"},
    Option{INF_SCOPE_RUNTIME, INF_OPTION_INT, "memory_limit", 0, kMaxBytes, "0",
           "Bytes that may be allocated on a device; 0: what the device has"},
};

constexpr std::array kModelOptions = {
    Option{INF_SCOPE_MODEL, INF_OPTION_STRING, "device", 0, 0, "",
           "Index, part of the name, or type (gpu, cpu, accelerator); empty: the default device"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "n_ctx", 0, 16777216, "0",
           "Tokens in the longest session; 0: what the model was made for"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "prefill_chunk", 1, 4096, "512",
           "Prompt tokens computed in one step: more are faster, fewer need less memory"},
    Option{INF_SCOPE_MODEL, INF_OPTION_STRING, "kv_type", 0, 0, "f32",
           "Type of the sessions' keys and values: f32; f16, half the memory; q8, about a quarter",
           "f32 f16 q8"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "kv_limit", 0, 0x1p62, "0",
           "Bytes of all keys and values, of sessions and prefix cache; 0: the device's limit"},
    Option{
        INF_SCOPE_MODEL, INF_OPTION_INT, "prefix_cache", -1, 0x1p62, "-1",
        "Bytes of keys and values kept of what requests began with, for later ones that begin "
        "alike; -1: 256 MiB, at most what the weights take and an eighth of what is left; 0: none"},
    Option{INF_SCOPE_MODEL, INF_OPTION_STRING, "activations", 0, 0, "f32",
           "What weights are multiplied with: f32, or int8, rounded in blocks of 32, for faster "
           "prompts",
           "f32 int8"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "parallel_slots", 0, 64, "1",
           "Calls of several threads that share a step; 0 and 1: they follow each other"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "allow_symlinks", 0, 1, "0",
           "1: files of a model folder may be links to anywhere (Hugging Face hub cache)"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "validate_weights", 0, 1, "0",
           "1: read every value before loading; NUMERIC names the first that is not finite"},
    Option{INF_SCOPE_MODEL, INF_OPTION_STRING, "chat_template", 0, 0, "",
           "For all chats: Jinja, a style, or one of the checkpoint's names; empty: its default"},
    Option{INF_SCOPE_MODEL, INF_OPTION_INT, "template_effort", 1, kMaxTemplateEffort, "1",
           "Times the 10^6 steps and 200 ms that a chat template may take: for very long chats"},
};

constexpr std::array kAdapterOptions = {
    Option{INF_SCOPE_ADAPTER, INF_OPTION_FLOAT, "adapter_scale", -1e6, 1e6, "1",
           "What B A is multiplied by where no adapter_config.json tells it; ARG where one does"},
};

constexpr const char* kTypeNames[] = {"an integer", "a float", "a string"};
constexpr uint32_t kTypeOfAlternative[] = {INF_OPTION_INT, INF_OPTION_FLOAT, INF_OPTION_STRING};

const Option& FindOption(std::string_view key) {
  for (const uint32_t scope : {INF_SCOPE_RUNTIME, INF_SCOPE_MODEL, INF_SCOPE_ADAPTER}) {
    for (const Option& option : OptionsOf(scope)) {
      if (key == option.key) return option;
    }
  }
  Fail(Status::kNotFound, "config: there is no option {}", Quote(key));
}

// Whether `words`, with spaces between them, has `word`.
bool IsWordOf(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

}  // namespace

std::span<const Option> OptionsOf(uint32_t scope) {
  if (scope == INF_SCOPE_RUNTIME) return kRuntimeOptions;
  if (scope == INF_SCOPE_MODEL) return kModelOptions;
  if (scope == INF_SCOPE_ADAPTER) return kAdapterOptions;
  return {};
}

void CheckOption(std::string_view key, const OptionValue& value) {
  const Option& option = FindOption(key);
  Require(option.type == kTypeOfAlternative[value.index()], Status::kArg,
          "config: {} is {}, want {}", option.key, kTypeNames[value.index()],
          kTypeNames[option.type - 1]);
  if (option.type == INF_OPTION_STRING) {
    const std::string& text = std::get<std::string>(value);
    Require(text.find('\0') == std::string::npos, Status::kArg, "config: {} holds a NUL byte",
            option.key);
    Require(option.choices.empty() || IsWordOf(option.choices, text), Status::kArg,
            "config: {} is {}, want one of: {}", option.key, Quote(text), option.choices);
    return;
  }
  const double number =
      value.index() == 0 ? static_cast<double>(std::get<int64_t>(value)) : std::get<double>(value);
  Require(number >= option.min && number <= option.max, Status::kArg,
          "config: {} is {}, want {:.0f}..{:.0f}", option.key, number, option.min, option.max);
}

}  // namespace inference::capi
