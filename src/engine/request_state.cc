#include "engine/request_state.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/logprobs.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr float kMaxBias = 1e6f;

void CheckRange(const char* field, float value, float min, float max) {
  Require(value >= min && value <= max, Status::kArg, "sampling: {} is {}, want {}..{}", field,
          value, min, max);  // false for NaN
}

void CheckOrder(const SampleOptions& options) {
  std::set<SampleFilter> seen;
  Require(options.filters <= options.order.size(), Status::kArg,
          "sampling: the order has {} filters, want at most {}", options.filters,
          options.order.size());
  for (size_t i = 0; i < options.filters; ++i) {
    Require(options.order[i] <= SampleFilter::kTemperature, Status::kArg,
            "sampling: filter {} of the order is {}, which is none", i,
            static_cast<int>(options.order[i]));
    Require(seen.insert(options.order[i]).second, Status::kArg,
            "sampling: filter {} of the order is there a second time", i);
  }
}

void CheckId(const char* what, int32_t id, int64_t vocab_size) {
  Require(id >= 0 && id < vocab_size, Status::kArg, "{}: id is {}, the vocabulary is 0..{}", what,
          id, vocab_size - 1);
}

}  // namespace

void CheckSampling(const SampleOptions& options) {
  CheckRange("temperature", options.temperature, 0.0f, 100.0f);
  CheckRange("top_p", options.top_p, 0.0f, 1.0f);
  CheckRange("min_p", options.min_p, 0.0f, 1.0f);
  CheckRange("typical_p", options.typical_p, 0.0f, 1.0f);
  CheckRange("repeat_penalty", options.repeat_penalty, 0.01f, 100.0f);
  CheckRange("frequency_penalty", options.frequency_penalty, -100.0f, 100.0f);
  CheckRange("presence_penalty", options.presence_penalty, -100.0f, 100.0f);
  Require(options.top_k >= 0, Status::kArg, "sampling: top_k is {}, want 0 (off) or more",
          options.top_k);
  Require(options.penalty_window >= 0, Status::kArg,
          "sampling: penalty_window is {}, want 0 (all) or more", options.penalty_window);
  CheckOrder(options);
  for (const auto& [id, bias] : options.logit_bias) {
    Require(std::abs(bias) <= kMaxBias || bias == -INFINITY, Status::kArg,
            "logit bias of token {}: is {}, want -{}..{}, or minus infinity", id, bias, kMaxBias,
            kMaxBias);
  }
}

const char* FinishName(Finish finish) {
  static constexpr const char* kNames[] = {"none",         "end",         "length",
                                           "context_full", "stopped",     "cancelled",
                                           "error",        "stop_string", "stop_token"};
  const auto index = static_cast<size_t>(finish);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

RequestState::RequestState(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocab_size,
                           GenerateRequest request)
    : tokenizer_(std::move(tokenizer)),
      vocab_size_(vocab_size),
      request_(std::move(request)),
      decoder_(tokenizer_),
      stops_(request_.stops) {
  CheckSampling(request_.sampling);
  Require(request_.max_tokens > 0, Status::kArg, "sampling: max_tokens is {}, want 1 or more",
          request_.max_tokens);
  Require(request_.top_logprobs >= 0 && request_.top_logprobs <= kMaxTopLogprobs, Status::kArg,
          "logprobs: top is {}, want 0..{}", request_.top_logprobs, kMaxTopLogprobs);
  for (const int32_t id : request_.stop_tokens) CheckId("stop token", id, vocab_size);
  for (const auto& [id, bias] : request_.sampling.logit_bias) {
    CheckId("logit bias", id, vocab_size);
  }
}

SampleRow RequestState::NextRow() const {
  return {&request_.sampling, static_cast<uint32_t>(generated_.size()), generated_};
}

bool RequestState::Accept(int32_t id, std::span<const float> logits, GenerateEvent& event) {
  const bool is_end = !request_.ignore_end && tokenizer_->IsEnd(id);
  if (is_end || std::ranges::find(request_.stop_tokens, id) != request_.stop_tokens.end()) {
    End(is_end ? Finish::kEnd : Finish::kStopToken);
    return Flush(event);
  }
  generated_.push_back(id);
  event = NewEvent(id);
  if (request_.logprobs) {
    Require(static_cast<int64_t>(logits.size()) == vocab_size_, Status::kInternal,
            "logprobs: {} logits, want {}", logits.size(), vocab_size_);
    Logprobs found = LogprobsOf(logits, id, request_.top_logprobs);
    event.logprob = found.logprob;
    event.ids = std::move(found.ids);
    event.logprobs = std::move(found.logprobs);
  }
  // A padded vocabulary has ids that no text belongs to.
  if (id < tokenizer_->vocab_size()) event.text = stops_.Push(decoder_.Push(id));
  if (stops_.found()) {
    End(Finish::kStopString);
    DropHeld();
  } else if (generated_.size() == static_cast<uint64_t>(request_.max_tokens)) {
    End(Finish::kLength);
  }
  return true;
}

void RequestState::End(Finish finish) {
  if (finish_ == Finish::kNone) finish_ = finish;
}

// Bytes that waited for the rest of a code point, and what could have become a stop string.
bool RequestState::Flush(GenerateEvent& event) {
  if (std::exchange(flushed_, true)) return false;
  std::string text = stops_.Push(decoder_.Flush());
  if (!stops_.found()) text += stops_.Flush();
  if (text.empty()) return false;
  event = NewEvent(kNoToken);
  event.text = std::move(text);
  return true;
}

GenerateEvent RequestState::NewEvent(int32_t token) const {
  return {.kind = GenerateEvent::Kind::kToken,
          .token = token,
          .step = generated_.size(),
          .total = static_cast<uint64_t>(request_.max_tokens),
          .text = {},
          .ids = {},
          .logprobs = {}};
}

}  // namespace inference
