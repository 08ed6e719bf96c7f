// Requests whose contexts outgrow their sessions, and what they must give.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/generator.h"
#include "engine/logprobs.h"
#include "engine/tiny_models.h"

namespace inference {

struct OverflowRun {
  Ids ids;
  std::vector<double> logprobs;
  Finish finish = Finish::kNone;
  uint64_t dropped = 0, overflows = 0;
  bool operator==(const OverflowRun&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const OverflowRun& run) {
  return out << testing::PrintToString(run.ids) << " " << testing::PrintToString(run.logprobs)
             << ", " << FinishName(run.finish) << ", " << run.dropped << " tokens dropped in "
             << run.overflows;
}

inline void Add(OverflowRun& run, const GenerateEvent& event) {
  if (event.kind != GenerateEvent::Kind::kToken || event.token < 0) return;
  run.ids.push_back(event.token);
  run.logprobs.push_back(event.logprob);
}

inline void End(OverflowRun& run, const GenerateResult& result) {
  run.finish = result.finish;
  run.dropped = result.dropped_tokens;
  run.overflows = result.overflows;
}

inline OverflowRun RunIn(const std::shared_ptr<Session>& session, const GenerateRequest& request) {
  Generation generation(session, request);
  OverflowRun out;
  GenerateEvent event;
  while (generation.Next(event)) Add(out, event);
  End(out, generation.result());
  return out;
}

// Greedy, and going on after end-of-text ids.
inline GenerateRequest OverflowRequest(Ids prompt, int64_t max_tokens,
                                       std::optional<int64_t> keep_head) {
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.keep_head = keep_head;
  request.ignore_end = true;
  request.logprobs = true;
  return request;
}

inline Ids LongIds(const std::string& name, size_t n) {
  const Ids ids = TinyGolden(name)["long_ids"].get<Ids>();
  Ids out;
  while (out.size() < n) out.push_back(ids[out.size() * 7 % ids.size()]);
  return out;
}

// The rule, in its own words: the head, and then the newest that fill half of the room beside it.
inline void FitContext(Ids& context, size_t capacity, size_t head, OverflowRun& run) {
  if (context.size() <= capacity) return;
  size_t tail = (capacity - head) / 2;
  if (2 * tail < capacity - head) ++tail;
  Ids kept(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(head));
  kept.insert(kept.end(), context.end() - static_cast<std::ptrdiff_t>(tail), context.end());
  run.dropped += context.size() - kept.size();
  ++run.overflows;
  context = std::move(kept);
}

// Every token from a new session that is given all of the context.
inline OverflowRun WantedRun(const std::string& name, Ids context, int64_t tokens, size_t capacity,
                             size_t head, const SampleOptions& options = {}) {
  OverflowRun out;
  const auto model = TinyModel(name);
  std::vector<float> logits(static_cast<size_t>(model->network().dims().vocab_size));
  while (static_cast<int64_t>(out.ids.size()) < tokens) {
    FitContext(context, capacity, head, out);
    Session fresh(model, 0);
    const SampleRow row{&options, static_cast<uint32_t>(out.ids.size()), out.ids};
    const int32_t id = fresh.PrefillAndSample(context, row, nullptr, logits);
    out.ids.push_back(id);
    out.logprobs.push_back(LogprobsOf(logits, id, 0).logprob);
    context.push_back(id);
  }
  out.finish = Finish::kLength;
  return out;
}

}  // namespace inference
