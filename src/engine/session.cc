#include "engine/session.h"

#include <algorithm>
#include <cmath>

namespace inference {

namespace {

int64_t CheckedCapacity(const Model& model, int64_t capacity) {
  Require(capacity >= 0 && capacity <= model.context_length(), Status::kArg,
          "session: capacity is {}, want 0..{} (the model's context length)", capacity,
          model.context_length());
  return capacity == 0 ? model.context_length() : capacity;
}

}  // namespace

Session::Session(std::shared_ptr<Model> model, int64_t capacity)
    : Session(model, CheckedCapacity(*model, capacity), KvSequence(model->executor().cache())) {}

Session::Session(std::shared_ptr<Model> model, int64_t capacity, KvSequence sequence)
    : model_(std::move(model)), capacity_(capacity), sequence_(std::move(sequence)) {
  sequence_.SetListener(this);
}

void Session::Count(const RequestMetrics& request) {
  metrics_.Add(request);
  model_->runtime().Count(request);
}

void Session::CutTo(int64_t length) {
  sequence_.Truncate(length);
  if (length == 0) is_restored_ = false;
  tokens_.resize(static_cast<size_t>(length));
  length_ = length;
  kv_bytes_ = sequence_.bytes();
}

void Session::SetAdapters(AdapterSet adapters) {
  adapters.CheckModel(*model_);
  if (adapters != adapters_) CutTo(0);
  adapters_ = std::move(adapters);
}

void Session::Reset() { CutTo(0); }

int64_t Session::KeepPrefix(std::span<const int32_t> ids) {
  const auto differ = std::mismatch(tokens_.begin(), tokens_.end(), ids.begin(), ids.end());
  const int64_t common = differ.first - tokens_.begin();
  const int64_t kept = common < sequence_.OldestRestorable() ? 0 : common;
  if (!Adopt(ids, kept, true)) CutTo(kept);
  return length();
}

int64_t Session::TakeCached(std::span<const int32_t> ids) {
  Adopt(ids, length(), false);
  return length();
}

// Where the prefix cache has more than `held` of the ids.
bool Session::Adopt(std::span<const int32_t> ids, int64_t held, bool is_counted) {
  PrefixCache* cache = model_->prefix_cache();
  if (cache == nullptr) return false;
  auto found = cache->Find(adapters_.key(), ids, static_cast<size_t>(held), is_counted);
  if (!found) return false;
  const auto taken = ids.first(static_cast<size_t>(found->length()));
  Replace({taken.begin(), taken.end()}, *std::move(found));
  is_restored_ = false;
  return true;
}

void Session::Replace(std::vector<int32_t> ids, KvSequence sequence) {
  sequence_ = std::move(sequence);
  sequence_.SetListener(this);
  tokens_ = std::move(ids);
  length_ = sequence_.length();
  kv_bytes_ = sequence_.bytes();
}

void Session::Restore(std::vector<int32_t> ids, KvSequence sequence) {
  Replace(std::move(ids), std::move(sequence));
  is_restored_ = length() > 0;
}

// On the submission thread, while the caller of the step waits.
void Session::OnCommit(const KvSequence& sequence) noexcept {
  const size_t before = tokens_.size(), after = static_cast<size_t>(sequence.length());
  PrefixCache* cache = model_->prefix_cache();
  if (cache == nullptr || is_restored_ || before / kCacheBlock == after / kCacheBlock) return;
  tokens_.insert(tokens_.end(), pending_.begin(),  // room is there since PrepareStep
                 pending_.begin() + static_cast<std::ptrdiff_t>(after - before));
  cache->Add(adapters_.key(), tokens_, sequence);
  tokens_.resize(before);
}

void Session::Truncate(int64_t length) {
  Require(length >= 0 && length <= this->length(), Status::kArg,
          "truncate: length is {}, the session holds {} tokens", length, this->length());
  Require(length == 0 || length >= sequence_.OldestRestorable(), Status::kContextFull,
          "truncate: length is {}, but the sliding window has left what comes before; the shortest "
          "is {}, or 0",
          length, sequence_.OldestRestorable());
  CutTo(length);
}

std::shared_ptr<Session> Session::Fork() const {
  std::shared_ptr<Session> fork(new Session(model_, capacity_, sequence_.Fork()));
  fork->tokens_ = tokens_;
  fork->adapters_ = adapters_;
  fork->is_restored_ = is_restored_;
  fork->length_ = length();
  fork->kv_bytes_ = kv_bytes();
  return fork;
}

void Session::PrepareStep(std::span<const int32_t> ids) {
  const auto T = static_cast<int64_t>(ids.size());
  Require(T >= 1 && T <= model_->prefill_chunk(), Status::kInternal,
          "session: a chunk of {} tokens, want 1..{}", T, model_->prefill_chunk());
  Require(T <= capacity_ - length(), Status::kContextFull,
          "session: {} tokens do not fit, it holds {} of {}", T, length(), capacity_);
  CheckIds(ids);
  const size_t tokens = tokens_.size() + ids.size();  // so that committing cannot fail
  if (tokens > tokens_.capacity()) tokens_.reserve(std::max(tokens, 2 * tokens_.size()));
  pending_ = ids;
}

void Session::Committed(std::span<const int32_t> ids) {
  pending_ = {};
  tokens_.insert(tokens_.end(), ids.begin(), ids.end());
  length_ = static_cast<int64_t>(tokens_.size());
  kv_bytes_ = sequence_.bytes();
}

void Session::Prefill(std::span<const int32_t> ids, const CancelFlag* cancel) {
  PrepareStep(ids);
  const ExecutorRow row{&sequence_, ids, 0, adapters_.uses()};
  model_->executor().Prefill({&row, 1}, cancel);
  Committed(ids);
}

void Session::PrefillLogits(std::span<const int32_t> ids, std::span<float> out,
                            const CancelFlag* cancel) {
  PrepareStep(ids);
  const ExecutorRow row{&sequence_, ids, static_cast<int64_t>(ids.size()), adapters_.uses()};
  model_->executor().Logits({&row, 1}, out, cancel);
  Committed(ids);
}

std::vector<RowScore> Session::PrefillScores(std::span<const int32_t> ids,
                                             std::span<const int32_t> targets,
                                             const CancelFlag* cancel) {
  PrepareStep(ids);
  CheckIds(targets);
  const ExecutorRow row{&sequence_, ids, static_cast<int64_t>(targets.size()), adapters_.uses()};
  std::vector<RowScore> scores = model_->executor().Scores({&row, 1}, targets, cancel);
  Committed(ids);
  for (size_t i = 0; i < scores.size(); ++i) {
    Require(!std::isnan(scores[i].logprob), Status::kNumeric,
            "scores: the logits after position {} are not numbers",
            length() - static_cast<int64_t>(scores.size() - i));
  }
  return scores;
}

int64_t Session::logits_chunk() const {
  return std::min(model_->executor().logits_rows(), model_->prefill_chunk());
}

int32_t Session::PrefillAndSample(std::span<const int32_t> ids, const SampleRow& row,
                                  const CancelFlag* cancel, std::span<float> logits) {
  PrepareStep(ids);
  const ExecutorRow step{&sequence_, ids, 1, adapters_.uses()};
  const int32_t id = model_->executor().Sample({&step, 1}, {&row, 1}, logits, cancel)[0];
  Committed(ids);
  return id;
}

}  // namespace inference
