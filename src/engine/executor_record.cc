// What a step computes, recorded once for its shape.
#include <algorithm>

#include "engine/executor_recorded.h"

namespace inference {

namespace {

constexpr size_t kMaxRecordings = 16;
constexpr int64_t kOneLaunchRows = 16;  // beyond, launches cost little beside the work

// Where launches would cost as much as what they do. A program is compiled for each list of
// kernels, which is one for a token and another for all numbers of rows up to the limit.
bool IsOneLaunch(const StepShape& shape, bool is_sampled, bool is_prefill) {
  if (shape.tokens == 1) return !is_prefill;
  return is_sampled && shape.tokens <= kOneLaunchRows && shape.singles == shape.tokens;
}

}  // namespace

Executor::Recorded& Executor::RecordedFor(const StepShape& shape, const Form& form,
                                          const Adapters& adapters) {
  const auto found = std::ranges::find_if(recorded_, [&](const auto& r) {
    return r->shape == shape && r->form == form && r->adapters == adapters;
  });
  if (found != recorded_.end()) {
    recorded_.splice(recorded_.begin(), recorded_, found);
  } else {
    recorded_.push_front(Record(shape, form, adapters));
    if (recorded_.size() > kMaxRecordings) recorded_.pop_back();
  }
  return *recorded_.front();
}

std::unique_ptr<Executor::Recorded> Executor::Record(const StepShape& shape, const Form& form,
                                                     const Adapters& adapters) {
  auto out = std::make_unique<Recorded>();
  out->shape = shape;
  out->form = form;
  out->adapters = adapters;
  out->recording = std::make_unique<Recording>(device_, FamilyOf(*device_), arena_);
  Recording& recording = *out->recording;
  if (IsOneLaunch(shape, form.mode == Mode::kSample, form.mode == Mode::kPrefill)) {
    recording.UseOneLaunch();
  }
  if (options_.rounds_activations) recording.RoundActivations();
  const Step step = step_.step(shape);
  std::vector<StepAdapter> beside;
  for (size_t i = 0; i < adapters.size(); ++i) {
    beside.push_back({&adapters[i]->blocks(), {coefs_, static_cast<int64_t>(i) * shape.tokens}});
  }
  const ResidualStream stream = network_.Forward(recording, step, *cache_, form.layers, beside);
  if (shape.outputs > 0) RecordOutputs(*out, step, stream);
  return out;
}

void Executor::RecordOutputs(Recorded& recorded, const Step& step, const ResidualStream& stream) {
  Recording& recording = *recorded.recording;
  const int64_t M = step.shape.outputs;
  const Form& form = recorded.form;
  switch (form.mode) {
    case Mode::kPrefill:
      break;
    case Mode::kLogits:
      recorded.logits = network_.Logits(recording, step, stream, 0, M).buffer;
      break;
    case Mode::kSample: {
      const Tensor logits = network_.Logits(recording, step, stream, 0, M);
      recorded.logits = logits.buffer;
      sampler_.Record(recording, logits);
      break;
    }
    case Mode::kHidden: {
      const bool is_last = form.layers == network_.dims().num_layers;
      recorded.logits = network_.Hidden(recording, step, stream, 0, M, is_last).buffer;
      break;
    }
    case Mode::kScores: {
      const Tensor scores = recording.Temp({M, kScoreFloats});
      recorded.scores = scores.buffer;
      for (int64_t first = 0; first < M; first += logits_rows()) {
        const int64_t n = std::min(logits_rows(), M - first);
        ScoreRows(recording, network_.Logits(recording, step, stream, first, n), targets_, first,
                  scores);
      }
      break;
    }
    case Mode::kDivergences:
      RecordDivergences(recorded, step, stream);
  }
}

// The first half of the outputs is the base's. Where a piece holds all, the head is read once.
void Executor::RecordDivergences(Recorded& recorded, const Step& step,
                                 const ResidualStream& stream) {
  Recording& recording = *recorded.recording;
  const int64_t M = step.shape.outputs / 2, top = recorded.form.top;
  const Tensor out = recording.Temp({M, DivergenceFloats(top)});
  recorded.scores = out.buffer;
  if (2 * M <= logits_rows()) {
    const Tensor sides = network_.Logits(recording, step, stream, 0, 2 * M);
    return DivergenceRows(recording, {sides, sides, 0, M}, M, targets_, 0, top, out);
  }
  const int64_t most = std::max<int64_t>(logits_rows() / 2, 1);
  for (int64_t first = 0; first < M; first += most) {
    const int64_t n = std::min(most, M - first);
    const Tensor base = network_.Logits(recording, step, stream, first, n);
    const Tensor adapted = network_.Logits(recording, step, stream, M + first, n);
    DivergenceRows(recording, {base, adapted, 0, 0}, n, targets_, first, top, out);
  }
}

}  // namespace inference
