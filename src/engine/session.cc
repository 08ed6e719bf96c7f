#include "engine/session.h"

#include <algorithm>
#include <cmath>

#include "nn/kv_cache.h"
#include "tensor/recording.h"
#include "tensor/step_buffer.h"

namespace inference {

struct Session::Step {
  std::span<const int32_t> ids;
  Mode mode;
  const SampleRow* row = nullptr;         // kSample
  std::span<float> logits = {};           // kLogits; kSample where they are wanted
  std::span<const int32_t> targets = {};  // kScores
  std::vector<RowScore>* scores = nullptr;
  int32_t* sampled = nullptr;  // kSample
  const CancelFlag* cancel = nullptr;
};

struct Session::Recorded {
  int64_t T = 0;
  Mode mode = Mode::kPrefill;
  std::unique_ptr<Recording> recording;
  Tensor logits;
  Tensor scores;  // kScores
};

struct Session::Impl {
  KvCache cache;
  StepBuffer step;
  Sampler sampler;
  Recorded decode;  // T = 1 with sampling: made once, until the cache moves
  Recorded chunk;   // the last other shape
  Buffer targets;   // kScores: a token a row
  // One past the highest position written since the session was last empty. Rings keep the newest
  // positions, so it decides how far back the session may be cut.
  int64_t written = 0;
};

namespace {

int64_t CheckedCapacity(const Model& model, int64_t capacity) {
  Require(capacity >= 0 && capacity <= model.context_length(), Status::kArg,
          "session: capacity is {}, want 0..{} (the model's context length)", capacity,
          model.context_length());
  return capacity == 0 ? model.context_length() : capacity;
}

}  // namespace

Session::Session(std::shared_ptr<Model> model, int64_t capacity)
    : model_(std::move(model)), capacity_(CheckedCapacity(*model_, capacity)) {
  const std::shared_ptr<Device>& device = model_->device();
  const CausalLm& network = model_->network();
  impl_ = std::make_unique<Impl>(
      Impl{KvCache(device, model_->cache_specs(), capacity_, model_->prefill_chunk()),
           StepBuffer(*device, model_->prefill_chunk()),
           Sampler(*device, network.dims().vocab_size, 1),
           {},
           {},
           device->Allocate(static_cast<uint64_t>(model_->prefill_chunk()) * sizeof(int32_t))});
  kv_bytes_ = impl_->cache.bytes();
}

Session::~Session() = default;

SessionMetrics Session::metrics() const {
  const std::lock_guard lock(metrics_mutex_);
  return metrics_;
}

void Session::Count(const SessionMetrics& more) {
  const std::lock_guard lock(metrics_mutex_);
  metrics_.requests += more.requests;
  metrics_.prompt_tokens += more.prompt_tokens;
  metrics_.generated_tokens += more.generated_tokens;
  metrics_.prefill_ns += more.prefill_ns;
  metrics_.decode_ns += more.decode_ns;
}

void Session::Reset() {
  tokens_.clear();
  length_ = 0;
  impl_->written = 0;
}

int64_t Session::KeepPrefix(std::span<const int32_t> ids) {
  const auto differ = std::mismatch(tokens_.begin(), tokens_.end(), ids.begin(), ids.end());
  const int64_t common = differ.first - tokens_.begin();
  if (common < impl_->cache.OldestRestorable(impl_->written)) {
    Reset();
    return 0;
  }
  tokens_.resize(static_cast<size_t>(common));
  length_ = common;
  return common;
}

void Session::CheckIds(std::span<const int32_t> ids) const {
  const int64_t vocab_size = model_->network().dims().vocab_size;
  for (size_t i = 0; i < ids.size(); ++i) {
    Require(ids[i] >= 0 && ids[i] < vocab_size, Status::kArg,
            "token {}: id is {}, the vocabulary is 0..{}", i, ids[i], vocab_size - 1);
  }
}

void Session::Prefill(std::span<const int32_t> ids, const CancelFlag* cancel) {
  Compute({.ids = ids, .mode = Mode::kPrefill, .cancel = cancel});
}

void Session::PrefillLogits(std::span<const int32_t> ids, std::span<float> out,
                            const CancelFlag* cancel) {
  const auto vocab_size = static_cast<size_t>(model_->network().dims().vocab_size);
  Require(out.size() == ids.size() * vocab_size, Status::kInternal,
          "logits: room for {} values, want {} x {}", out.size(), ids.size(), vocab_size);
  Compute({.ids = ids, .mode = Mode::kLogits, .logits = out, .cancel = cancel});
}

std::vector<RowScore> Session::PrefillScores(std::span<const int32_t> ids,
                                             std::span<const int32_t> targets,
                                             const CancelFlag* cancel) {
  Require(targets.size() == ids.size(), Status::kInternal, "scores: {} ids, {} targets", ids.size(),
          targets.size());
  CheckIds(targets);
  std::vector<RowScore> scores;
  Compute(
      {.ids = ids, .mode = Mode::kScores, .targets = targets, .scores = &scores, .cancel = cancel});
  for (size_t i = 0; i < scores.size(); ++i) {
    Require(!std::isnan(scores[i].logprob), Status::kNumeric,
            "scores: the logits after position {} are not numbers",
            length() - static_cast<int64_t>(scores.size() - i));
  }
  return scores;
}

int64_t Session::logits_chunk() const {
  constexpr int64_t kMaxValues = int64_t{16} << 20;  // 64 MiB
  return std::clamp(kMaxValues / model_->network().dims().vocab_size, int64_t{1},
                    model_->prefill_chunk());
}

int32_t Session::PrefillAndSample(std::span<const int32_t> ids, const SampleRow& row,
                                  const CancelFlag* cancel, std::span<float> logits) {
  int32_t sampled = kNoToken;
  Compute({.ids = ids,
           .mode = Mode::kSample,
           .row = &row,
           .logits = logits,
           .sampled = &sampled,
           .cancel = cancel});
  return sampled;
}

// Commits only what the device has finished.
void Session::Compute(const Step& step) {
  const auto T = static_cast<int64_t>(step.ids.size());
  Require(T >= 1 && T <= model_->prefill_chunk(), Status::kInternal,
          "session: a chunk of {} tokens, want 1..{}", T, model_->prefill_chunk());
  Require(T <= capacity_ - length(), Status::kContextFull,
          "session: {} tokens do not fit, it holds {} of {}", T, length(), capacity_);
  CheckIds(step.ids);
  tokens_.reserve(tokens_.size() + step.ids.size());
  try {
    model_->device()->Run([&] { RunStep(step); });
  } catch (...) {
    RecoverAfterError();
    throw;
  }
  tokens_.insert(tokens_.end(), step.ids.begin(), step.ids.end());
  length_ = static_cast<int64_t>(tokens_.size());
}

void Session::RunStep(const Step& step) {
  Device& device = *model_->device();
  const auto T = static_cast<int64_t>(step.ids.size());
  bool moved = impl_->cache.Reserve(length() + T);
  if (moved) kv_bytes_ = impl_->cache.bytes();
  if (step.mode == Mode::kSample) moved |= impl_->sampler.Set(device, std::span(step.row, 1));
  if (moved) {
    impl_->decode = {};
    impl_->chunk = {};
  }
  Recorded& recorded = RecordedFor(T, step.mode);
  impl_->step.Set(device, length(), 0, step.ids);
  impl_->written = std::max(impl_->written, length() + T);
  if (step.mode == Mode::kScores) {
    device.Write(impl_->targets, 0, std::as_bytes(step.targets));
  }
  recorded.recording->Run(length(), step.cancel);
  switch (step.mode) {
    case Mode::kPrefill:
      device.Finish();
      break;
    case Mode::kLogits:
      device.Read(recorded.logits.buffer, 0, std::as_writable_bytes(step.logits));
      break;
    case Mode::kScores: {
      std::vector<float> rows(static_cast<size_t>(T * kScoreFloats));
      device.Read(recorded.scores.buffer, 0, std::as_writable_bytes(std::span(rows)));
      *step.scores = ScoresFrom(rows);
      break;
    }
    case Mode::kSample:
      *step.sampled = impl_->sampler.Results(device, 1).front();
      if (!step.logits.empty()) {
        device.Read(recorded.logits.buffer, 0, std::as_writable_bytes(step.logits));
      }
      break;
  }
}

Session::Recorded& Session::RecordedFor(int64_t T, Mode mode) {
  Recorded& recorded = T == 1 && mode == Mode::kSample ? impl_->decode : impl_->chunk;
  if (recorded.recording && recorded.T == T && recorded.mode == mode) return recorded;
  recorded = {};  // its intermediates go before the new ones come
  Recorded fresh{T, mode, std::make_unique<Recording>(model_->device()), {}, {}};
  if (T == 1 && mode != Mode::kPrefill) fresh.recording->UseOneLaunch();
  if (model_->rounds_activations()) fresh.recording->RoundActivations();
  fresh.logits = model_->network().Forward(
      *fresh.recording, impl_->step, impl_->cache, T,
      mode == Mode::kLogits || mode == Mode::kScores ? LogitsOf::kAll : LogitsOf::kLast);
  if (mode == Mode::kScores) {
    fresh.scores = ScoreRows(*fresh.recording, fresh.logits, impl_->targets);
  }
  if (mode == Mode::kSample) impl_->sampler.Record(*fresh.recording, fresh.logits);
  recorded = std::move(fresh);
  return recorded;
}

// The failed step may have overwritten ring slots that the committed tokens still need.
void Session::RecoverAfterError() {
  if (length() < impl_->cache.OldestRestorable(impl_->written)) Reset();
}

}  // namespace inference
