// Loading a model and running requests on it, with progress bars: what several commands do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "command.h"
#include "json_io.h"

namespace inference::tools {

struct LoadedModel {
  Runtime runtime;
  Model model;
  std::vector<Adapter> adapters;
  std::vector<float> scales;  // of the adapters
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
// Sets the template of --template; nothing where it is empty.
void SetTemplate(const Chat& chat, const std::string& chat_template);

// UsageError for a bias or an order that is none.
Request NewRequest(const SamplingOptions& options, inf_cancel* cancel);

// Runs a request and hands every event to `on_event`. A cancelled one is a normal result: its
// finish is INF_FINISH_CANCELLED.
inf_result RunRequest(const Session& session, const Request& request,
                      const std::function<void(const inf_event&)>& on_event);

Json MetricsJson(const inf_result& result);
std::string MetricsLine(const inf_result& result);  // for people

}  // namespace inference::tools
