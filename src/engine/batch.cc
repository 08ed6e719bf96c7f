#include "engine/batch.h"

#include <algorithm>
#include <chrono>

namespace inference {

namespace {

using Clock = std::chrono::steady_clock;

BatchOptions Checked(const BatchOptions& options, const Model& model) {
  Require(options.slots >= 1 && options.slots <= Batch::kMaxSlots, Status::kArg,
          "batch: slots is {}, want 1..{}", options.slots, Batch::kMaxSlots);
  const int64_t most = model.prefill_chunk();
  Require(options.step_tokens >= 0 && options.step_tokens <= most, Status::kArg,
          "batch: step_tokens is {}, want 0..{} (the model's prefill_chunk)", options.step_tokens,
          most);
  BatchOptions out = options;
  if (out.step_tokens == 0) out.step_tokens = most;
  out.slots = std::min(out.slots, out.step_tokens);
  return out;
}

}  // namespace

struct Batch::Item {
  Item(uint64_t of, std::shared_ptr<Session> session, GenerateRequest request)
      : id(of), run(std::move(session), std::move(request)) {}
  uint64_t id;
  RequestRun run;
  std::optional<Status> status;
  std::string message;
};

Batch::Batch(std::shared_ptr<Model> model, const BatchOptions& options)
    : model_(std::move(model)), options_(Checked(options, *model_)) {}

Batch::~Batch() = default;

uint64_t Batch::Add(std::shared_ptr<Session> session, GenerateRequest request) {
  if (!session) session = std::make_shared<Session>(model_, 0);
  Require(&session->model() == model_.get(), Status::kArg, "batch: the session is another model's");
  const auto in_use = [&](const auto& item) { return &item->run.session() == session.get(); };
  Require(std::ranges::none_of(items_, in_use), Status::kState,
          "batch: the session is in another request, which has not ended");
  items_.push_back(std::make_unique<Item>(next_id_, std::move(session), std::move(request)));
  return next_id_++;
}

bool Batch::Remove(uint64_t id) {
  const auto found = std::ranges::find(items_, id, &Item::id);
  if (found == items_.end()) return false;
  (*found)->run.Drop();
  (*found)->run.End(Finish::kStopped);
  items_.erase(found);
  return true;
}

void Batch::Fail(Item& item, Status status, const std::string& message) {
  item.status = status;
  item.message = message;
  item.run.End(status == Status::kCancelled ? Finish::kCancelled : Finish::kError);
}

Batch::Items Batch::Running() {
  Items running;
  for (const auto& item : items_) {
    if (item->run.ended()) continue;
    const CancelFlag* cancel = item->run.request().cancel.get();
    if (cancel != nullptr && cancel->IsSet()) {
      Fail(*item, Status::kCancelled, "batch: the request was cancelled");
    } else if (static_cast<int64_t>(running.size()) < options_.slots) {
      running.push_back(item.get());
    }
  }
  return running;
}

std::vector<BatchEvent> Batch::Step() {
  std::vector<BatchEvent> out;
  const Items running = Running();
  const auto scored = std::ranges::find_if(running, [](const Item* item) {
    return !item->run.is_decoding() && item->run.request().prompt_logprobs;
  });
  if (scored != running.end()) ComputeScores(**scored);
  Compute(running);
  TakeEvents(out);
  return out;
}

// Rows that decode, then prompts in turn. Where memory does not suffice for all, the youngest goes
// back and begins anew when others have ended; alone it fails.
void Batch::Compute(Items running) {
  struct Part {
    Item* item;
    RunStep step;
  };
  std::vector<Part> parts;
  size_t left = static_cast<size_t>(options_.step_tokens);
  for (Item* item : running) {
    if (!item->run.is_decoding()) continue;
    if (const auto step = item->run.Next(1)) {
      parts.push_back({item, *step});
      --left;
    }
  }
  if (!parts.empty()) left = std::min(left, static_cast<size_t>(kPromptBesideDecode));
  ++turn_;
  for (size_t i = 0; i < running.size() && left > 0; ++i) {
    Item* item = running[(i + turn_) % running.size()];
    if (item->run.is_decoding()) continue;
    if (item->run.request().prompt_logprobs) continue;
    const auto step = item->run.Next(left);
    if (!step) continue;
    parts.push_back({item, *step});
    left -= step->ids.size();
  }
  if (parts.empty()) return;

  std::vector<ExecutorRow> rows;
  std::vector<SampleRow> samples;
  bool wants_logits = false;
  for (const Part& part : parts) {
    const bool is_sampled = part.step.kind == RunStep::Kind::kSample;
    part.item->run.session().PrepareStep(part.step.ids);
    rows.push_back({&part.item->run.session().sequence(), part.step.ids, is_sampled ? 1 : 0,
                    part.item->run.session().adapters().uses()});
    if (is_sampled) samples.push_back(part.item->run.NextRow());
    wants_logits |= is_sampled && part.item->run.wants_logits();
  }
  const auto V = static_cast<size_t>(model_->network().dims().vocab_size);
  std::vector<float> logits(wants_logits ? samples.size() * V : 0);
  const CancelFlag* cancel =
      parts.size() == 1 ? parts[0].item->run.request().cancel.get() : nullptr;
  std::vector<int32_t> ids;
  const auto start = Clock::now();
  try {
    if (samples.empty()) {
      model_->executor().Prefill(rows, cancel);
    } else {
      ids = model_->executor().Sample(rows, samples, logits, cancel);
    }
  } catch (const Error& error) {
    if (error.status() == Status::kDeviceLost) throw;
    if (error.status() == Status::kOomDevice && parts.size() > 1) {
      // Not the last of the parts: prompts take turns.
      Item& youngest = *std::ranges::max_element(parts, {}, [](const Part& part) {
                          return part.item->id;
                        })->item;
      youngest.run.Restart();
      running.erase(std::ranges::find(running, &youngest));
      return Compute(std::move(running));
    }
    for (const Part& part : parts) Fail(*part.item, error.status(), error.what());
    return;
  }
  const auto ns = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
  size_t sampled = 0;
  for (const Part& part : parts) part.item->run.session().Committed(part.step.ids);
  for (const Part& part : parts) {
    if (part.step.kind == RunStep::Kind::kPrefill) {
      part.item->run.Prefilled(part.step, ns);
      continue;
    }
    const std::span<const float> row =
        wants_logits ? std::span(logits).subspan(sampled * V, V) : std::span<const float>();
    try {
      part.item->run.Sampled(part.step, ids[sampled++], row, ns);
    } catch (const Error& error) {
      Fail(*part.item, error.status(), error.what());
    }
  }
}

// Log-probabilities of a prompt: steps of their own, one before each of the others.
void Batch::ComputeScores(Item& item) {
  const auto step = item.run.Next(static_cast<size_t>(options_.step_tokens));
  if (!step) return;
  const auto start = Clock::now();
  const CancelFlag* cancel = item.run.request().cancel.get();
  const auto ns = [&] {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
  };
  try {
    if (step->kind == RunStep::Kind::kScore) {
      const auto scores = item.run.session().PrefillScores(step->ids, step->targets, cancel);
      return item.run.Scored(*step, scores, ns());
    }
    std::vector<float> logits;
    if (item.run.wants_logits()) {
      logits.resize(static_cast<size_t>(model_->network().dims().vocab_size));
    }
    const int32_t id =
        item.run.session().PrefillAndSample(step->ids, item.run.NextRow(), cancel, logits);
    item.run.Sampled(*step, id, logits, ns());
  } catch (const Error& error) {
    if (error.status() == Status::kDeviceLost) throw;
    Fail(item, error.status(), error.what());
  }
}

void Batch::TakeEvents(std::vector<BatchEvent>& out) {
  for (const auto& item : items_) {
    BatchEvent event;
    event.id = item->id;
    while (item->run.TakeEvent(event.event)) out.push_back(event);
    if (!item->run.ended()) continue;
    event.event = {};
    event.is_done = true;
    event.result = item->run.result();
    event.status = item->status;
    event.message = item->message;
    out.push_back(std::move(event));
  }
  std::erase_if(items_, [](const auto& item) { return item->run.ended(); });
}

}  // namespace inference
