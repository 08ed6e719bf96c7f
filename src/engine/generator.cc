#include "engine/generator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>

namespace inference {

namespace {

using Clock = std::chrono::steady_clock;

uint64_t NanosSince(Clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

void CheckRange(const char* field, float value, float min, float max) {
  Require(value >= min && value <= max, Status::kArg, "sampling: {} is {}, want {}..{}", field,
          value, min, max);  // false for NaN
}

}  // namespace

void CheckSampling(const SampleOptions& options) {
  CheckRange("temperature", options.temperature, 0.0f, 100.0f);
  CheckRange("top_p", options.top_p, 0.0f, 1.0f);
  CheckRange("min_p", options.min_p, 0.0f, 1.0f);
  CheckRange("repeat_penalty", options.repeat_penalty, 0.01f, 100.0f);
  Require(options.top_k >= 0, Status::kArg, "sampling: top_k is {}, want 0 (off) or more",
          options.top_k);
}

const char* FinishName(Finish finish) {
  static constexpr const char* kNames[] = {"none",    "end",       "length", "context_full",
                                           "stopped", "cancelled", "error"};
  const auto index = static_cast<size_t>(finish);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

struct Generation::Impl {
  Impl(std::shared_ptr<Session> owner, GenerateRequest wanted)
      : session(std::move(owner)),
        request(std::move(wanted)),
        tokenizer(session->model().text()->tokenizer),
        decoder(tokenizer) {}

  const std::shared_ptr<Session> session;
  GenerateRequest request;
  const std::shared_ptr<const Tokenizer> tokenizer;
  StreamingDecoder decoder;
  const Clock::time_point started = Clock::now();
  const uint64_t peak_before = session->model().device()->memory().peak;

  GenerateResult result;
  bool begun = false;      // the session has been touched
  size_t prompt_done = 0;  // of request.prompt
  uint32_t draws = 0;
  std::vector<int32_t> history;  // sampled so far
  std::optional<int32_t> next;   // sampled, not yet delivered
  int32_t last = -1;             // delivered, not yet computed
  bool flushed = false;
  std::exception_ptr failure;

  void CheckRequest();
  void Begin();
  bool Advance(GenerateEvent& event);
  void PrefillChunk(GenerateEvent& event);
  void Decode();
  bool Deliver(GenerateEvent& event);
  bool Flush(GenerateEvent& event);
  void Sample(std::span<const int32_t> ids);
  void End(Finish finish);
  void WatchMemory();
};

void Generation::Impl::CheckRequest() {
  CheckSampling(request.sampling);
  Require(request.max_tokens > 0, Status::kArg, "sampling: max_tokens is {}, want 1 or more",
          request.max_tokens);
  if (request.prompt.empty() && !request.whole_context) {
    // Nothing new: go on from the last token, which is computed again for its logits.
    Require(session->length() > 0, Status::kArg,
            "prompt: is empty, and the session holds no tokens to go on from");
    request.prompt = session->tokens();
    request.whole_context = true;
  }
  Require(!request.prompt.empty(), Status::kArg, "prompt: is empty");
  session->CheckIds(request.prompt);
  const int64_t held = request.whole_context ? 0 : session->length();
  Require(static_cast<int64_t>(request.prompt.size()) <= session->capacity() - held,
          Status::kContextFull, "prompt: {} tokens do not fit, the session holds {} of {}",
          request.prompt.size(), held, session->capacity());
  result.prompt_tokens = request.prompt.size();
}

void Generation::Impl::Begin() {
  begun = true;
  if (request.whole_context) {
    const std::span<const int32_t> prompt(request.prompt);
    prompt_done = static_cast<size_t>(session->KeepPrefix(prompt.first(prompt.size() - 1)));
    result.cached_tokens = prompt_done;
  }
}

bool Generation::Impl::Advance(GenerateEvent& event) {
  if (result.finish != Finish::kNone) return Flush(event);
  ThrowIfCancelled(request.cancel.get(), "generate");
  const Clock::time_point step_started = Clock::now();
  const bool prefilling = prompt_done < request.prompt.size();
  if (!begun) Begin();
  if (prefilling) {
    PrefillChunk(event);
  } else if (!next) {
    Decode();
  }
  const uint64_t ns = NanosSince(step_started);
  (result.generated_tokens == 0 ? result.prefill_ns : result.decode_ns) += ns;
  WatchMemory();
  if (prefilling) return true;
  return next ? Deliver(event) : Flush(event);
}

void Generation::Impl::PrefillChunk(GenerateEvent& event) {
  const std::span<const int32_t> left = std::span(request.prompt).subspan(prompt_done);
  const auto most = static_cast<size_t>(session->model().prefill_chunk());
  if (left.size() > most) {
    session->Prefill(left.first(most), request.cancel.get());
  } else {
    Sample(left);
  }
  prompt_done += std::min(left.size(), most);
  event = {.kind = GenerateEvent::Kind::kPrefill,
           .position = static_cast<uint64_t>(session->length()),
           .step = prompt_done,
           .total = request.prompt.size()};
}

// Computes the token delivered last, or ends the text where there is no room for it.
void Generation::Impl::Decode() {
  if (session->length() == session->capacity()) return End(Finish::kContextFull);
  Sample(std::span(&last, 1));
}

void Generation::Impl::Sample(std::span<const int32_t> ids) {
  const int32_t id =
      session->PrefillAndSample(ids, {&request.sampling, draws++, history}, request.cancel.get());
  Require(id != kNoToken, Status::kNumeric,
          "generate: the logits after position {} are not numbers", session->length() - 1);
  history.push_back(id);
  next = id;
}

bool Generation::Impl::Deliver(GenerateEvent& event) {
  const int32_t id = *std::exchange(next, std::nullopt);
  if (!request.ignore_end && tokenizer->IsEnd(id)) {
    End(Finish::kEnd);
    return Flush(event);
  }
  last = id;
  ++result.generated_tokens;
  event = {.kind = GenerateEvent::Kind::kToken,
           .token = id,
           .position = static_cast<uint64_t>(session->length()),
           .step = result.generated_tokens,
           .total = static_cast<uint64_t>(request.max_tokens)};
  // A padded vocabulary has ids that no text belongs to.
  if (id < tokenizer->vocab_size()) event.text = decoder.Push(id);
  if (result.generated_tokens == static_cast<uint64_t>(request.max_tokens)) End(Finish::kLength);
  return true;
}

// What waited for the rest of a code point, as one event without a token.
bool Generation::Impl::Flush(GenerateEvent& event) {
  if (std::exchange(flushed, true)) return false;
  std::string text = decoder.Flush();
  if (text.empty()) return false;
  event = {.kind = GenerateEvent::Kind::kToken,
           .position = static_cast<uint64_t>(session->length()),
           .step = result.generated_tokens,
           .total = static_cast<uint64_t>(request.max_tokens),
           .text = std::move(text)};
  return true;
}

void Generation::Impl::End(Finish finish) {
  result.finish = finish;
  result.total_ns = NanosSince(started);
}

// The device counts one peak for all its users: it is this request's where it rose meanwhile.
void Generation::Impl::WatchMemory() {
  const MemoryStats now = session->model().device()->memory();
  result.active_bytes = now.active;
  result.peak_bytes = std::max(result.peak_bytes, now.active);
  if (now.peak > peak_before) result.peak_bytes = std::max(result.peak_bytes, now.peak);
}

Generation::Generation(std::shared_ptr<Session> session, GenerateRequest request)
    : impl_(std::make_unique<Impl>(std::move(session), std::move(request))) {
  impl_->CheckRequest();
}

Generation::~Generation() {
  const GenerateResult& r = impl_->result;
  impl_->session->Count({.requests = 1,
                         .prompt_tokens = impl_->prompt_done - r.cached_tokens,
                         .generated_tokens = r.generated_tokens,
                         .prefill_ns = r.prefill_ns,
                         .decode_ns = r.decode_ns});
}

bool Generation::Next(GenerateEvent& event) {
  if (impl_->failure) std::rethrow_exception(impl_->failure);
  try {
    return impl_->Advance(event);
  } catch (const Error& error) {
    impl_->failure = std::current_exception();
    impl_->End(error.status() == Status::kCancelled ? Finish::kCancelled : Finish::kError);
    throw;
  } catch (...) {
    impl_->failure = std::current_exception();
    impl_->End(Finish::kError);
    throw;
  }
}

void Generation::Stop(Finish finish) {
  impl_->flushed = true;
  impl_->End(finish);
}

GenerateResult Generation::result() const {
  GenerateResult result = impl_->result;
  if (result.finish == Finish::kNone) result.total_ns = NanosSince(impl_->started);
  return result;
}

}  // namespace inference
