#include "generation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "progress.h"
#include "terminal.h"

namespace inference::tools {
namespace {

void PrintLog(void*, int32_t level, const char* part, size_t part_len, const char* message,
              size_t message_len) {
  const char* const name = level == INF_LOG_ERROR     ? "error"
                           : level == INF_LOG_WARNING ? "warning"
                           : level == INF_LOG_INFO    ? "info"
                                                      : "debug";
  Err(fmt::format("[{}] {}: {}\n", name, std::string_view(part, part_len),
                  std::string_view(message, message_len)));
}

int32_t ShowProgress(void* progress, const inf_event* event) {
  static_cast<Progress*>(progress)->Update(event->step, event->total);
  return 0;
}

void Set(const Config& config, std::string_view key, const std::string& value) {
  Call(inf_config_set_str, config.get(), key.data(), key.size(), value.data(), value.size());
}

void Set(const Config& config, std::string_view key, int64_t value) {
  Call(inf_config_set_i64, config.get(), key.data(), key.size(), value);
}

Gen Start(const Session& session, const Request& request) {
  Gen gen;
  try {
    Call(inf_gen_start, session.get(), request.get(), gen.out());
  } catch (const ApiError& error) {
    if (error.status() != INF_E_STATE) throw;  // STATE: a chat without a template
    throw ApiError(
        INF_E_STATE,
        fmt::format("{}; --template sets one: gemma, gemma-system, chatml, llama3, plain",
                    error.what()));
  }
  return gen;
}

}  // namespace

void AdapterList::Load(const Model& model, const std::vector<std::string>& choices,
                       bool allow_symlinks, inf_cancel* cancel) {
  const Config config = NewConfig(allow_symlinks);
  for (const std::string& text : choices) {
    const AdapterChoice choice = ParseAdapter(text);
    Call(inf_adapter_load, model.get(), choice.path.data(), choice.path.size(), config.get(),
         cancel, adapters.emplace_back().out());
    scales.push_back(choice.scale);
  }
}

std::vector<const inf_adapter*> AdapterList::handles() const {
  std::vector<const inf_adapter*> out;
  for (const Adapter& adapter : adapters) out.push_back(adapter.get());
  return out;
}

Runtime NewRuntime(bool verbose) {
  Runtime runtime;
  Call(inf_runtime_new, nullptr, verbose ? PrintLog : nullptr, nullptr, nullptr, runtime.out());
  if (verbose) Call(inf_runtime_set_log_level, runtime.get(), INF_LOG_DEBUG);
  return runtime;
}

Config NewConfig(bool allow_symlinks) {
  Config config;
  Call(inf_config_new, config.out());
  if (allow_symlinks) Set(config, "allow_symlinks", int64_t{1});
  return config;
}

Config NewConfig(const ModelOptions& options) {
  Config config = NewConfig(options.allow_symlinks);
  if (!options.device.empty()) Set(config, "device", options.device);
  if (options.n_ctx > 0) Set(config, "n_ctx", options.n_ctx);
  if (!options.kv_type.empty()) Set(config, "kv_type", options.kv_type);
  if (!options.activations.empty()) Set(config, "activations", options.activations);
  if (options.prefix_cache >= 0) Set(config, "prefix_cache", options.prefix_cache);
  if (options.validate_weights) Set(config, "validate_weights", int64_t{1});
  return config;
}

Model LoadModelInto(const Runtime& runtime, const ModelOptions& options, inf_cancel* cancel) {
  const Config config = NewConfig(options);
  Progress progress("loading");
  Model model;
  Call(inf_model_load, runtime.get(), options.path.data(), options.path.size(), config.get(),
       cancel, ShowProgress, &progress, model.out());
  return model;
}

LoadedModel LoadModel(const ModelOptions& options, inf_cancel* cancel) {
  LoadedModel loaded;
  loaded.runtime = NewRuntime(options.verbose);
  loaded.model = LoadModelInto(loaded.runtime, options, cancel);
  loaded.under.Load(loaded.model, options.adapters, options.allow_symlinks, cancel);
  return loaded;
}

Session NewSession(const LoadedModel& loaded) {
  Session session;
  Call(inf_session_new, loaded.model.get(), nullptr, session.out());
  const std::vector<const inf_adapter*> adapters = loaded.under.handles();
  Call(inf_session_set_adapters, session.get(), adapters.data(), loaded.under.scales.data(),
       adapters.size());
  return session;
}

Inputs TextInputs(const std::vector<std::string>& texts) {
  Inputs inputs;
  Call(inf_inputs_new, inputs.out());
  for (const std::string& text : texts) {
    Call(inf_inputs_add_text, inputs.get(), text.data(), text.size(),
         INF_ADD_SPECIAL | INF_PARSE_SPECIAL);
  }
  return inputs;
}

Tokenizer LoadTokenizer(const TokenizerOptions& options) {
  const std::string& path = options.tokenizer.empty() ? options.model : options.tokenizer;
  if (path.empty()) throw UsageError("one of --tokenizer and --model is needed");
  const Config config = NewConfig(options.allow_symlinks);
  Tokenizer tokenizer;
  Call(inf_tokenizer_load, path.data(), path.size(), config.get(), tokenizer.out());
  return tokenizer;
}

void SetTemplate(const Chat& chat, const std::string& chat_template) {
  if (chat_template.empty()) return;
  std::error_code none;  // a template's text is too long for a name
  const bool is_file = std::filesystem::is_regular_file(chat_template, none);
  const std::string text = is_file ? ReadFile(chat_template) : chat_template;
  Call(inf_chat_set_template, chat.get(), text.data(), text.size());
}

void SetAdapters(const Request& request, const AdapterList& list,
                 const std::vector<float>& scales) {
  const std::vector<const inf_adapter*> adapters = list.handles();
  Call(inf_request_set_adapters, request.get(), adapters.data(), scales.data(), adapters.size());
}

Request RequestUnder(const AdapterList& list, const std::vector<float>& scales) {
  Request request;
  Call(inf_request_new, request.out());
  SetAdapters(request, list, scales);
  return request;
}

Request NewRequest(const SamplingOptions& options, inf_cancel* cancel) {
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  if (options.ignore_eos) sampling.flags |= INF_SAMPLING_IGNORE_END;
  sampling.max_tokens = options.max_tokens;
  sampling.temperature = options.temperature;
  sampling.seed = options.seed;
  sampling.top_k = options.top_k;
  sampling.top_p = options.top_p;
  sampling.min_p = options.min_p;
  sampling.typical_p = options.typical;
  sampling.repeat_penalty = options.repeat_penalty;
  sampling.frequency_penalty = options.frequency_penalty;
  sampling.presence_penalty = options.presence_penalty;
  sampling.penalty_window = options.penalty_window;
  if (!options.sampler_order.empty()) {
    std::ranges::copy(ParseOrder(options.sampler_order), sampling.order);
  }
  Request request;
  Call(inf_request_new, request.out());
  Call(inf_request_set_sampling, request.get(), &sampling);
  Call(inf_request_set_cancel, request.get(), cancel);
  for (const std::string& stop : options.stops) {
    Call(inf_request_add_stop, request.get(), stop.data(), stop.size());
  }
  for (const inf_token id : options.stop_tokens) {
    Call(inf_request_add_stop_token, request.get(), id);
  }
  for (const std::string& text : options.biases) {
    const auto [id, bias] = ParseBias(text);
    Call(inf_request_add_bias, request.get(), id, bias);
  }
  const Overflow overflow = ParseOverflow(options.overflow);
  Call(inf_request_set_overflow, request.get(), overflow.policy, overflow.keep_head);
  return request;
}

inf_result RunRequest(const Session& session, const Request& request,
                      const std::function<void(const inf_event&)>& on_event) {
  Progress progress("reading the prompt");
  const Gen gen = Start(session, request);
  try {
    const inf_event* event = nullptr;
    bool has_text = false;  // on the line that a bar would be drawn on
    while (Call(inf_gen_next, gen.get(), &event) != INF_DONE) {
      if (event->kind == INF_EVENT_TOKEN) {
        progress.Clear();
        has_text = true;
      } else if (event->kind == INF_EVENT_PREFILL && !has_text) {
        progress.Update(event->step, event->total);
      }
      on_event(*event);
    }
  } catch (const ApiError& error) {
    if (error.status() != INF_E_CANCELLED) throw;
  }
  auto result = Sized<inf_result>();
  Call(inf_gen_result, gen.get(), &result);
  return result;
}

Json MetricsJson(const inf_result& result) {
  Json metrics = {{"prompt_tokens", result.prompt_tokens},
                  {"cached_tokens", result.cached_tokens},
                  {"generated_tokens", result.generated_tokens},
                  {"prefill_ns", result.prefill_ns},
                  {"decode_ns", result.decode_ns},
                  {"total_ns", result.total_ns},
                  {"prefill_tok_s", result.prefill_tok_s},
                  {"decode_tok_s", result.decode_tok_s},
                  {"active_bytes", result.active_bytes},
                  {"peak_bytes", result.peak_bytes}};
  if (result.overflows > 0) {
    metrics["dropped_tokens"] = result.dropped_tokens;
    metrics["overflows"] = result.overflows;
  }
  return metrics;
}

std::string MetricsLine(const inf_result& result) {
  const std::string cached =
      result.cached_tokens > 0 ? fmt::format(" ({} cached)", result.cached_tokens) : "";
  const std::string dropped =
      result.overflows > 0 ? fmt::format("{} tokens dropped, ", result.dropped_tokens) : "";
  return fmt::format(
      "prompt {} tokens{} at {:.1f}/s, answer {} tokens at {:.1f}/s, {}ended by {}, {}",
      result.prompt_tokens, cached, result.prefill_tok_s, result.generated_tokens,
      result.decode_tok_s, dropped, inf_finish_name(result.finish), HumanBytes(result.peak_bytes));
}

}  // namespace inference::tools
