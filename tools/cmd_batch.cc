#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "command.h"
#include "generation.h"
#include "interrupt.h"
#include "line_reader.h"
#include "progress.h"
#include "request_fields.h"
#include "terminal.h"

namespace inference::tools {
namespace {

using Batch = Handle<inf_batch, inf_batch_free>;

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  uint32_t slots = 16;
  bool as_they_end = false;
};

// A line of input and what came of it.
struct Job {
  Json id;
  std::string text;
  Json result;  // null until it has ended
  bool is_printed = false;
};

// A factor for each --adapter: what the line says, or what the command line does.
std::vector<float> ScalesOf(const Json& value, const AdapterList& under) {
  if (!value.contains("scales")) return under.scales;
  const Json& scales = value["scales"];
  const bool fits = scales.is_array() && scales.size() == under.scales.size() &&
                    std::ranges::all_of(scales, [](const Json& x) { return x.is_number(); });
  if (!fits) {
    throw ApiError(INF_E_ARG, fmt::format("scales: a number for each --adapter is wanted, {}",
                                          under.scales.size()));
  }
  return scales.get<std::vector<float>>();
}

void SetPrompt(const Tokenizer& tokenizer, const Request& request, const Json& value) {
  if (value.contains("messages")) {
    Chat chat;
    Call(inf_chat_new, static_cast<const inf_tokenizer*>(tokenizer.get()), chat.out());
    const std::string messages = Dump(value["messages"]);
    Call(inf_chat_add_json, chat.get(), messages.data(), messages.size());
    Call(inf_request_set_chat, request.get(), chat.get());
    return;
  }
  if (!value.contains("prompt") || !value["prompt"].is_string()) {
    throw ApiError(INF_E_ARG, "an object with prompt (a string) or messages is wanted");
  }
  const std::string prompt = value["prompt"].get<std::string>();
  Call(inf_request_set_text, request.get(), prompt.data(), prompt.size(),
       INF_ADD_SPECIAL | INF_PARSE_SPECIAL);
}

class BatchRun {
 public:
  explicit BatchRun(const Options& options) : options_(options) {
    loaded_ = LoadModel(options.model, interrupt_.cancel());
    Call(inf_model_tokenizer, loaded_.model.get(), tokenizer_.out());
    auto batch_options = Sized<inf_batch_options>();
    batch_options.slots = options.slots;
    Call(inf_batch_new, loaded_.model.get(), &batch_options, batch_.out());
  }

  void Run() {
    LineReader reader(STDIN_FILENO, interrupt_);
    while (reader.Next() == LineReader::Outcome::kLine) {
      if (!reader.line().empty()) Add(reader.line());
    }
    Progress progress("requests");
    const inf_batch_event* event = nullptr;
    while (Call(inf_batch_next, batch_.get(), &event) != INF_DONE) {
      Take(*event);
      progress.Update(ended_, jobs_.size());
      if (event->result == nullptr) continue;
      progress.Clear();
      Print();
    }
    Print();
  }

 private:
  void Add(const std::string& line) {
    jobs_.push_back({});
    Job& job = jobs_.back();
    try {
      const Json value = ParseJson(line, fmt::format("line {}", jobs_.size()));
      if (!value.is_object()) throw ApiError(INF_E_ARG, "an object is wanted");
      if (value.contains("id")) job.id = value["id"];
      const Request request =
          NewRequest(SamplingFields(value, options_.sampling), interrupt_.cancel());
      SetPrompt(tokenizer_, request, value);
      SetAdapters(request, loaded_.under, ScalesOf(value, loaded_.under));
      uint64_t id = 0;
      Call(inf_batch_add, batch_.get(), static_cast<inf_session*>(nullptr), request.get(), &id);
      of_id_[id] = jobs_.size() - 1;
    } catch (const std::exception& error) {
      job.result = {{"error", error.what()}};
      ++ended_;
    }
  }

  void Take(const inf_batch_event& event) {
    Job& job = jobs_[of_id_.at(event.id)];
    if (event.event != nullptr) {
      job.text.append(event.event->text, event.event->text_len);
      return;
    }
    ++ended_;
    if (event.status != INF_OK) {
      job.result = {{"error", std::string(event.message, event.message_len)}};
    } else {
      job.result = Json::object();
    }
    job.result["text"] = job.text;
    job.result["finish"] = inf_finish_name(event.result->finish);
    job.result["metrics"] = MetricsJson(*event.result);
  }

  // Results in the order of the input, or as they end.
  void Print() {
    for (size_t i = printed_; i < jobs_.size(); ++i) {
      Job& job = jobs_[i];
      if (job.result.is_null() && !options_.as_they_end) return;
      if (!job.result.is_null() && !job.is_printed) {
        Json line = {{"index", i}};
        if (!job.id.is_null()) line["id"] = job.id;
        line.update(job.result);
        OutLine(line);
        job.is_printed = true;
      }
      if (i == printed_ && job.is_printed) ++printed_;
    }
  }

  const Options& options_;
  Interrupt interrupt_{Interrupt::Second::kEnds};
  LoadedModel loaded_;
  Tokenizer tokenizer_;
  Batch batch_;
  std::vector<Job> jobs_;
  std::map<uint64_t, size_t> of_id_;
  size_t ended_ = 0, printed_ = 0;
};

}  // namespace

Command AddBatch(CLI::App& root) {
  auto options = std::make_shared<Options>();
  CLI::App* app = root.add_subcommand("batch", "Many requests at once, JSON lines in and out");
  AddLoadOptions(*app, options->model);
  AddAdapterOption(*app, options->model);
  AddJsonFlag(*app);
  app->add_option("--slots", options->slots, "Requests that run at a time (1..64)")
      ->check(Between(1, 64))
      ->capture_default_str()
      ->type_name("N");
  app->add_flag("--as-they-end", options->as_they_end,
                "Write results as they end, not in the order of the input");
  AddSamplingOptions(*app, options->sampling);
  app->footer(
      "Reads an object a line: prompt (a string) or messages, and where they differ from the\n"
      "command line max_tokens, temperature, seed, top_k, top_p, min_p, repeat_penalty, stop,\n"
      "stop_tokens, overflow (keep-head with keep_head, a number), and scales: a factor for each\n"
      "--adapter, 0 leaves one out; id comes back as it is. Writes an object a line: index, id,\n"
      "text, finish, metrics (with dropped_tokens and overflows where there are any); or error. A\n"
      "request gives the text that it gives alone.\n\n"
      "Example:\n"
      "  printf '%s\\n' '{\"prompt\": \"One\"}' '{\"prompt\": \"Two\", \"max_tokens\": 8}' |\n"
      "      inference batch --model model.gguf");
  return {app, [options] { BatchRun(*options).Run(); }};
}

}  // namespace inference::tools
