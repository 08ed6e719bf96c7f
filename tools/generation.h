// Loading a model and running requests on it, with progress bars: what several commands do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "command.h"
#include "json_io.h"

namespace inference::tools {

// Adapters of a model, each with a factor.
struct AdapterList {
  std::vector<Adapter> adapters;
  std::vector<float> scales;

  // More of them, DIR or DIR:SCALE. `cancel` may be null.
  void Load(const Model& model, const std::vector<std::string>& choices, bool allow_symlinks,
            inf_cancel* cancel);
  std::vector<const inf_adapter*> handles() const;
};

struct LoadedModel {
  Runtime runtime;
  Model model;
  AdapterList under;  // of --adapter
};

// Log lines go to stderr when `verbose`.
Runtime NewRuntime(bool verbose);
// `cancel` may be null.
LoadedModel LoadModel(const ModelOptions& options, inf_cancel* cancel);
// Under the adapters of --adapter.
Session NewSession(const LoadedModel& loaded);
Config NewConfig(bool allow_symlinks);
Config NewConfig(const ModelOptions& options);
Model LoadModelInto(const Runtime& runtime, const ModelOptions& options, inf_cancel* cancel);
Tokenizer LoadTokenizer(const TokenizerOptions& options);
// Texts for a call on many, with the checkpoint's special tokens.
Inputs TextInputs(const std::vector<std::string>& texts);
// Sets the template of --template; nothing where it is empty.
void SetTemplate(const Chat& chat, const std::string& chat_template);

// What the request runs under, with these factors instead of the list's.
void SetAdapters(const Request& request, const AdapterList& list, const std::vector<float>& scales);
// That says this and nothing else.
Request RequestUnder(const AdapterList& list, const std::vector<float>& scales);
// UsageError for a bias, an order or an overflow policy that is none.
Request NewRequest(const SamplingOptions& options, inf_cancel* cancel);

// Runs a request and hands every event to `on_event`. A cancelled one is a normal result: its
// finish is INF_FINISH_CANCELLED.
inf_result RunRequest(const Session& session, const Request& request,
                      const std::function<void(const inf_event&)>& on_event);

Json MetricsJson(const inf_result& result);  // dropped_tokens and overflows where there are any
std::string MetricsLine(const inf_result& result);  // for people

}  // namespace inference::tools
