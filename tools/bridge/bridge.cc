#include "bridge/bridge.h"

#include <fmt/format.h>

#include "request_fields.h"
#include "token_lines.h"

namespace inference::tools {
namespace {

// What a model without a template gets, as from bridges of mlx-lm.
std::string AllRoles(const Json& messages) {
  std::string text;
  for (const Json& message : messages) {
    text += fmt::format("{}: {}\n", NeededText(message, "role"), NeededText(message, "content"));
  }
  return text + "assistant:";
}

const Json& MessagesOf(const Json& command) {
  const auto found = command.find("messages");
  if (found == command.end() || !found->is_array()) {
    throw ApiError(INF_E_ARG, "messages: a list of {\"role\", \"content\"} is wanted");
  }
  for (const Json& message : *found) {
    if (!message.is_object()) {
      throw ApiError(INF_E_ARG, fmt::format("messages: an entry is {}, want {{\"role\", "
                                            "\"content\"}}",
                                            Dump(message)));
    }
  }
  return *found;
}

std::string NameOf(const Json& command) {
  const auto found = command.find("cmd");
  if (found == command.end()) return "";
  return found->is_string() ? found->get<std::string>() : Dump(*found);
}

}  // namespace

struct Bridge::Entry {
  const char* name;
  void (Bridge::*run)(const BridgeCommand& command);
  bool needs_model;
};

void Bridge::Answer(const BridgeCommand& command) {
  if (!command.value.is_object()) return replies_.SendError("parse error: " + command.error);
  const std::string name = NameOf(command.value);
  try {
    Run(command, name);
  } catch (const RepliesClosed&) {
    throw;
  } catch (const std::exception& error) {
    const std::string why = error.what();
    const std::string begin = name + ": ";
    replies_.SendError(why.starts_with(begin) ? why : begin + why);
  }
}

void Bridge::Run(const BridgeCommand& command, const std::string& name) {
  static constexpr Entry kEntries[] = {
      {"load", &Bridge::Load, false},
      {"info", &Bridge::Info, true},
      {"generate", &Bridge::GenerateText, true},
      {"chat", &Bridge::Chat, true},
      {"classify", &Bridge::Classify, true},
      {"batch_generate", &Bridge::BatchGenerate, true},
  };
  for (const Entry& entry : kEntries) {
    if (name != entry.name) continue;
    if (entry.needs_model && !loaded_) throw ApiError(INF_E_STATE, "no model loaded");
    return (this->*entry.run)(command);
  }
  replies_.SendError("unknown command: " + name);
}

// A model that cannot be loaded leaves the one that is there.
void Bridge::Load(const BridgeCommand& command) {
  const Json& value = command.value;
  ModelOptions options = defaults_;
  options.path = TextField(value, "path", "");
  if (options.path.empty()) throw ApiError(INF_E_ARG, "missing 'path'");
  options.n_ctx = IntField(value, "context_len", options.n_ctx);
  const int64_t gpu_layers = IntField(value, "gpu_layers", -1);
  if (gpu_layers == 0) options.device = "cpu";
  options.device = TextField(value, "device", options.device);
  options.kv_type = TextField(value, "kv_type", options.kv_type);
  options.activations = TextField(value, "activations", options.activations);
  Loaded loaded;
  loaded.max_tokens = SamplingFields(value, {}).max_tokens;
  loaded.under = AdapterFields(value).value_or(std::vector<AdapterChoice>());
  loaded.runtime = NewRuntime(options.verbose);
  loaded.model = LoadModelInto(loaded.runtime, options, command.cancel->get());
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, loaded.model.get(), &desc);
  if (gpu_layers > 0 && gpu_layers < desc.num_layers) {
    throw ApiError(INF_E_ARG, fmt::format("gpu_layers: is {} of {}, want all (-1) or none (0): a "
                                          "model runs on one device",
                                          gpu_layers, desc.num_layers));
  }
  Call(inf_model_tokenizer, loaded.model.get(), loaded.tokenizer.out());
  for (const AdapterChoice& choice : loaded.under) {
    LoadAdapter(loaded, choice.path, command.cancel->get());
  }
  loaded_ = std::move(loaded);
  replies_.Send({{"ok", true}, {"model_type", desc.architecture}, {"vocab_size", desc.vocab_size}});
}

void Bridge::Info(const BridgeCommand&) {
  auto desc = Sized<inf_model_desc>();
  Call(inf_model_info, loaded_->model.get(), &desc);
  replies_.Send({{"model_type", desc.architecture},
                 {"vocab_size", desc.vocab_size},
                 {"layers", desc.num_layers},
                 {"hidden_size", desc.hidden_size},
                 {"quant_bits", desc.quant_bits},
                 {"quant_group", desc.quant_group},
                 {"context_length", desc.context_length}});
}

const inf_adapter* Bridge::LoadAdapter(Loaded& loaded, const std::string& path,
                                       inf_cancel* cancel) const {
  const auto found = loaded.adapters.find(path);
  if (found != loaded.adapters.end()) return found->second.get();
  const Config config = NewConfig(defaults_.allow_symlinks);
  Adapter adapter;
  Call(inf_adapter_load, loaded.model.get(), path.data(), path.size(), config.get(), cancel,
       adapter.out());
  return (loaded.adapters[path] = std::move(adapter)).get();
}

SamplingOptions Bridge::Sampling(const BridgeCommand& command) const {
  SamplingOptions defaults;
  defaults.max_tokens = loaded_->max_tokens;
  return SamplingFields(command.value, defaults);
}

Request Bridge::NewRequest(const BridgeCommand& command, const SamplingOptions& sampling) {
  Request request = tools::NewRequest(sampling, command.cancel->get());
  std::vector<const inf_adapter*> adapters;
  std::vector<float> scales;
  for (const AdapterChoice& choice : AdapterFields(command.value).value_or(loaded_->under)) {
    adapters.push_back(LoadAdapter(*loaded_, choice.path, command.cancel->get()));
    scales.push_back(choice.scale);
  }
  Call(inf_request_set_adapters, request.get(), adapters.data(), scales.data(), adapters.size());
  return request;
}

// A cancelled generation ends as one that has come to its end: the client knows that it cancelled.
void Bridge::Stream(const BridgeCommand& command,
                    const std::function<void(const Request&)>& set_prompt) {
  const SamplingOptions sampling = Sampling(command);
  uint32_t finish = INF_FINISH_LENGTH;
  try {
    if (sampling.max_tokens > 0) return Generate(command, sampling, set_prompt);
  } catch (const ApiError& error) {  // cancelled before there was anything
    if (error.status() != INF_E_CANCELLED) throw;
    finish = INF_FINISH_CANCELLED;
  }
  replies_.Send({{"done", true}, {"tokens_generated", 0}, {"finish", inf_finish_name(finish)}});
}

void Bridge::Generate(const BridgeCommand& command, const SamplingOptions& sampling,
                      const std::function<void(const Request&)>& set_prompt) {
  const Request request = NewRequest(command, sampling);
  set_prompt(request);
  Session session;
  Call(inf_session_new, loaded_->model.get(), nullptr, session.out());
  TokenLines lines(loaded_->tokenizer, {.has_stops = !sampling.stops.empty()},
                   [&](const Json& line) { replies_.Send(line); });
  const inf_result result = RunRequest(session, request, [&](const inf_event& event) {
    if (event.kind == INF_EVENT_TOKEN) lines.Add(event);
  });
  lines.Flush();
  replies_.Send({{"done", true},
                 {"tokens_generated", result.generated_tokens},
                 {"finish", inf_finish_name(result.finish)},
                 {"metrics", MetricsJson(result)}});
}

void Bridge::GenerateText(const BridgeCommand& command) {
  const std::string prompt = NeededText(command.value, "prompt");
  Stream(command, [&](const Request& request) {
    Call(inf_request_set_text, request.get(), prompt.data(), prompt.size(),
         INF_ADD_SPECIAL | INF_PARSE_SPECIAL);
  });
}

void Bridge::Chat(const BridgeCommand& command) {
  MessagesOf(command.value);
  Stream(command, [&](const Request& request) { SetChat(command.value, request); });
}

// The checkpoint's template; a checkpoint without one gets the messages as "role: content" lines.
void Bridge::SetChat(const Json& command, const Request& request) const {
  const Json& messages = MessagesOf(command);
  tools::Chat chat;
  Call(inf_chat_new, static_cast<const inf_tokenizer*>(loaded_->tokenizer.get()), chat.out());
  SetTemplate(chat, TextField(command, "template", ""));
  const std::string json = Dump(messages);
  Call(inf_chat_add_json, chat.get(), json.data(), json.size());
  try {
    Call(inf_chat_render, static_cast<const inf_chat*>(chat.get()), INF_ADD_GENERATION_PROMPT,
         static_cast<inf_buf*>(nullptr), static_cast<inf_tokens*>(nullptr));
    Call(inf_request_set_chat, request.get(), static_cast<const inf_chat*>(chat.get()));
  } catch (const ApiError& error) {
    if (error.status() != INF_E_STATE) throw;
    const std::string text = AllRoles(messages);
    Call(inf_request_set_text, request.get(), text.data(), text.size(), INF_ADD_SPECIAL);
  }
}

}  // namespace inference::tools
