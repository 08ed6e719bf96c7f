#include "command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace inference::tools {

CLI::Validator Between(double low, double high) {
  const auto check = [=](const std::string& text) {
    double value = 0.0;
    if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high)
      return std::string();
    return fmt::format("{} is not a number from {} to {}", text, low, high);
  };
  return CLI::Validator(check, "");
}

CLI::Validator AtLeast(int64_t low) {
  const auto check = [=](const std::string& text) {
    int64_t value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= low) return std::string();
    return fmt::format("{} is not a whole number of at least {}", text, low);
  };
  return CLI::Validator(check, "");
}

void AddModelOptions(CLI::App& app, ModelOptions& options) {
  app.add_option("-m,--model", options.path,
                 "GGUF file, or folder with config.json and *.safetensors")
      ->required()
      ->type_name("PATH");
  app.add_option("--device", options.device,
                 "OpenCL device: index, part of its name, or cpu|gpu|accelerator")
      ->type_name("D");
  app.add_option("--n-ctx", options.n_ctx, "Longest session in tokens (default: the model's own)")
      ->check(AtLeast(0))
      ->type_name("N");
  app.add_option(
         "--kv-type", options.kv_type,
         "Keys and values: f32 (the default), f16 in half the memory, q8 in about a quarter")
      ->check(CLI::IsMember({"f32", "f16", "q8"}))
      ->type_name("T");
  app.add_option("--activations", options.activations,
                 "What weights are multiplied with: f32 (the default), or int8 for faster prompts")
      ->check(CLI::IsMember({"f32", "int8"}))
      ->type_name("T");
  app.add_option(
         "--prefix-cache", options.prefix_cache,
         "Bytes of keys and values kept of what prompts begin with (default: see the header; "
         "0: none)")
      ->check(AtLeast(-1))
      ->type_name("N");
  AddSymlinksFlag(app, options.allow_symlinks);
  app.add_flag("--verbose", options.verbose, "Print the library's log on stderr");
}

void AddLoadOptions(CLI::App& app, ModelOptions& options) {
  AddModelOptions(app, options);
  app.add_flag("--validate-weights", options.validate_weights,
               "Refuse a checkpoint with a value that is not finite (reads it twice)");
}

void AddAdapterOption(CLI::App& app, ModelOptions& options) {
  app.add_option("--adapter", options.adapters,
                 "LoRA adapter (PEFT, mlx-lm or go-mlx) beside the weights, with a factor (default "
                 "1); may be given several times")
      ->allow_extra_args(false)
      ->type_name("DIR[:SCALE]");
}

void AddJsonFlag(CLI::App& app) {
  app.add_flag("--json")->description("JSON lines, which is all that this command writes");
}

void AddSymlinksFlag(CLI::App& app, bool& allow_symlinks) {
  app.add_flag("--allow-symlinks", allow_symlinks,
               "Files of a model folder may be links to anywhere (Hugging Face hub cache)");
}

namespace {

// An option that may be given several times, each time with one value, which is kept as it is.
template <typename T>
void AddRepeatable(CLI::App& app, const char* name, std::vector<T>& values, const char* type,
                   const char* help) {
  app.add_option_function<T>(
         name, [&values](const T& value) { values.push_back(value); }, help)
      ->type_name(type)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->trigger_on_parse();
}

void AddStopOptions(CLI::App& app, SamplingOptions& options) {
  AddRepeatable(app, "--stop", options.stops, "TEXT",
                "End before this text; several times for several ($'\\n' is a newline in bash)");
  AddRepeatable(app, "--stop-token", options.stop_tokens, "ID",
                "End before this token; several times for several");
  AddRepeatable(app, "--logit-bias", options.biases, "ID=X",
                "Add X to the logit of a token, -inf bans it; several times for several");
  app.add_flag("--ignore-eos", options.ignore_eos, "Go on after an end-of-text token");
}

void AddOverflowOption(CLI::App& app, std::string& overflow) {
  const auto check = [](const std::string& text) -> std::string {
    try {
      ParseOverflow(text);
      return "";
    } catch (const UsageError& error) {
      return std::string(error.what()).substr(std::string_view("overflow: ").size());
    }
  };
  app.add_option("--overflow", overflow,
                 "Where prompt and text outgrow the context (--n-ctx): error; slide, the oldest "
                 "tokens go;\nkeep-head:N, those after the first N go")
      ->check(CLI::Validator(check, ""))
      ->capture_default_str()
      ->type_name("POLICY");
}

}  // namespace

void AddSamplingOptions(CLI::App& app, SamplingOptions& options) {
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type)->capture_default_str();
  };
  add("--max-tokens", options.max_tokens, "N", "Stop after this many tokens")->check(AtLeast(1));
  add("--temperature", options.temperature, "X", "0 = always the likeliest token")
      ->check(Between(0.0, 100.0));
  add("--seed", options.seed, "N", "Same seed, same text");
  add("--top-k", options.top_k, "N", "Draw from the N likeliest tokens; 0 = off")
      ->check(AtLeast(0));
  add("--top-p", options.top_p, "X", "Draw from the likeliest tokens that sum to X; 0 = off")
      ->check(Between(0.0, 1.0));
  add("--min-p", options.min_p, "X", "Leave out tokens below X times the likeliest; 0 = off")
      ->check(Between(0.0, 1.0));
  add("--typical", options.typical, "X",
      "Draw from the tokens whose surprise is nearest to the average, those that sum to X; 0 = off")
      ->check(Between(0.0, 1.0));
  add("--repeat-penalty", options.repeat_penalty, "X",
      "Above 1: make tokens that were generated less likely; 0 = off")
      ->check(Between(0.0, 100.0));
  add("--frequency-penalty", options.frequency_penalty, "X",
      "Taken from a token's logit for each time it was generated; 0 = off")
      ->check(Between(-100.0, 100.0));
  add("--presence-penalty", options.presence_penalty, "X",
      "Taken from a token's logit once it was generated; 0 = off")
      ->check(Between(-100.0, 100.0));
  add("--penalty-window", options.penalty_window, "N",
      "Penalties look at the last N generated tokens; 0 = all")
      ->check(AtLeast(0));
  app.add_option("--sampler-order", options.sampler_order,
                 "Filters in the order they act; those left out do not\n"
                 "(top-p,min-p,top-k,typical,temperature)")
      ->type_name("NAMES");
  AddStopOptions(app, options);
  AddOverflowOption(app, options.overflow);
}

void AddTokenizerOptions(CLI::App& app, TokenizerOptions& options) {
  CLI::Option* model =
      app.add_option("-m,--model", options.model, "GGUF file or model folder")->type_name("PATH");
  app.add_option("--tokenizer", options.tokenizer, "Folder with tokenizer.json, or a GGUF file")
      ->type_name("PATH")
      ->excludes(model);
  AddSymlinksFlag(app, options.allow_symlinks);
}

void AddTemplateOption(CLI::App& app, std::string& chat_template) {
  app.add_option(
         "--template", chat_template,
         "Instead of the checkpoint's template: gemma|gemma-system|chatml|llama3|plain, or a "
         "Jinja file")
      ->type_name("NAME");
}

AdapterChoice ParseAdapter(const std::string& text) {
  const size_t colon = text.rfind(':');
  float scale = 0.0f;
  if (colon != std::string::npos && colon > 0) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, scale);
    if (error == std::errc() && stop == end) return {text.substr(0, colon), scale};
  }
  return {text};
}

std::vector<inf_token> ParseIds(const std::string& text) {
  std::vector<inf_token> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    inf_token id = 0;
    const auto [stop, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0 || (stop != end && *stop != ',')) {
      throw UsageError(fmt::format(
          "--ids: entry {} is not a token id; wanted numbers with commas, such as 1,2,3",
          ids.size() + 1));
    }
    ids.push_back(id);
    if (stop == end) return ids;
    at = stop + 1;
  }
}

std::pair<inf_token, float> ParseBias(const std::string& text) {
  inf_token id = -1;
  float bias = 0.0f;
  const char* const end = text.data() + text.size();
  const auto [equals, bad_id] = std::from_chars(text.data(), end, id);
  if (bad_id == std::errc() && id >= 0 && equals != end && *equals == '=') {
    const auto [stop, bad_bias] = std::from_chars(equals + 1, end, bias);
    if (bad_bias == std::errc() && stop == end) return {id, bias};
  }
  throw UsageError(fmt::format("--logit-bias: {} is not ID=X, such as 42=-1.5 or 42=-inf", text));
}

Overflow ParseOverflow(std::string_view text) {
  if (text == "error") return {};
  if (text == "slide") return {.policy = INF_OVERFLOW_SLIDE};
  constexpr std::string_view kKeepHead = "keep-head:";
  if (text.starts_with(kKeepHead)) {
    Overflow overflow{.policy = INF_OVERFLOW_KEEP_HEAD};
    const char* const end = text.data() + text.size();
    const auto [stop, error] =
        std::from_chars(text.data() + kKeepHead.size(), end, overflow.keep_head);
    if (error == std::errc() && stop == end && overflow.keep_head > 0) return overflow;
  }
  throw UsageError(fmt::format(
      "overflow: is '{}', wanted error, slide or keep-head:N with N of 1 or more", text));
}

std::vector<uint8_t> ParseOrder(const std::string& text) {
  static constexpr std::pair<std::string_view, uint8_t> kNames[] = {
      {"top-p", INF_FILTER_TOP_P},
      {"min-p", INF_FILTER_MIN_P},
      {"top-k", INF_FILTER_TOP_K},
      {"typical", INF_FILTER_TYPICAL},
      {"temperature", INF_FILTER_TEMPERATURE}};
  std::vector<uint8_t> order;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string_view name = std::string_view(text).substr(at, end - at);
    const auto* const found =
        std::ranges::find(kNames, name, [](const auto& entry) { return entry.first; });
    if (found == std::end(kNames) || std::ranges::find(order, found->second) != order.end()) {
      throw UsageError(
          fmt::format("--sampler-order: entry {} is '{}'; wanted top-p, min-p, top-k, typical and "
                      "temperature, each at most once, with commas",
                      order.size() + 1, name));
    }
    order.push_back(found->second);
    at = end + 1;
  }
  return order;
}

}  // namespace inference::tools
