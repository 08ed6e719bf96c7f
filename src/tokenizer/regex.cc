#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <optional>

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr size_t kJitStackBytes = 32 << 20;     // reserved, committed as it is used
constexpr uint32_t kMatchKibibytes = 64 << 10;  // where the interpreter matches

// Places where a match may begin that one search tries, and the steps that each may take: so much
// lies between two looks at the cancel flag. A step may run over the rest of the text.
constexpr size_t kMaxStarts = size_t{1} << 16;
constexpr size_t kMaxStartBytes = size_t{1} << 26;  // places x bytes of text
constexpr uint32_t kFreeSteps = 64;

}  // namespace

struct TextWork::Matching {
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data{
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free};
  std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context{
      pcre2_match_context_create(nullptr), pcre2_match_context_free};
  std::unique_ptr<pcre2_jit_stack, decltype(&pcre2_jit_stack_free)> stack{nullptr,
                                                                          pcre2_jit_stack_free};
};

TextWork::TextWork(const CancelFlag* cancel) : cancel_(cancel) {}
TextWork::TextWork(TextWork&&) noexcept = default;
TextWork& TextWork::operator=(TextWork&&) noexcept = default;
TextWork::~TextWork() = default;

Regex::Regex(std::string_view pattern, std::string name) : name_(std::move(name)) {
  Require(pattern.size() <= kMaxPatternBytes, Status::kLimit,
          "{}: pattern of {} bytes, expected at most {}", name_, pattern.size(), kMaxPatternBytes);
  const std::string text = TranslatePattern(pattern, name_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Oniguruma's ^ and $ match at every line; \C could split a code point.
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
      &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[128];
    pcre2_get_error_message(error, message, sizeof(message));
    const bool unsupported = error == PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY ||
                             error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH;
    Fail(unsupported ? Status::kUnsupported : Status::kFormat, "{}: pattern {}: {} at byte {}",
         name_, Quote(text), reinterpret_cast<const char*>(message), offset);
  }
  code_ = std::shared_ptr<const void>(
      code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, the interpreter matches
}

// Searches for a match from `at`, within the limits that `matching` has.
int Regex::Match(std::string_view text, size_t at, TextWork::Matching& matching) const {
  while (true) {
    const int rc = pcre2_match(static_cast<const pcre2_code*>(code_.get()),
                               reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                               PCRE2_NO_UTF_CHECK, matching.data.get(), matching.context.get());
    if (rc != PCRE2_ERROR_JIT_STACKLIMIT || matching.stack) return rc;
    matching.stack.reset(pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr));
    pcre2_jit_stack_assign(matching.context.get(), nullptr, matching.stack.get());
  }
}

// A match that begins at `at` and takes more than kFreeSteps: its steps, rounded up, are taken from
// what `work` has left.
int Regex::MatchSlowly(std::string_view text, size_t at, TextWork& work) const {
  for (uint64_t steps = uint64_t{kFreeSteps} * 4;; steps *= 4) {
    work.CheckCancel();
    steps = std::min(steps, kMaxMatchSteps);
    Require(steps <= work.steps_left_, Status::kLimit,
            "{}: pattern takes more than {} steps in all at byte {} of a text of {} bytes", name_,
            kMaxRegexSteps, at, text.size());
    work.steps_left_ -= steps;
    pcre2_set_match_limit(work.matching_->context.get(), static_cast<uint32_t>(steps));
    const int rc = Match(text, at, *work.matching_);
    pcre2_set_match_limit(work.matching_->context.get(), kFreeSteps);
    if (rc != PCRE2_ERROR_MATCHLIMIT || steps == kMaxMatchSteps) return rc;
  }
}

void Regex::FindAll(std::string_view text, TextWork& work, std::vector<TextRange>& out) const {
  if (!work.matching_) {
    work.matching_ = std::make_unique<TextWork::Matching>();
    Require(work.matching_->data && work.matching_->context, Status::kOomHost,
            "tokenizer: no memory to match");
    pcre2_set_heap_limit(work.matching_->context.get(), kMatchKibibytes);
    pcre2_set_match_limit(work.matching_->context.get(), kFreeSteps);
  }
  const auto step_over = [&](size_t at) {
    return at + (at < text.size() ? DecodeUtf8(text, at).length : 1);
  };
  out.clear();
  std::optional<size_t> last_end;
  const size_t most = std::clamp<size_t>(kMaxStartBytes / (text.size() + 1), 1, kMaxStarts);
  size_t starts = most;
  size_t until = 0;  // a search tries the places before
  const auto try_next = [&](size_t at) {
    until = at + starts;
    pcre2_set_offset_limit(work.matching_->context.get(), until - 1);
  };
  for (size_t at = 0; at <= text.size();) {
    work.CheckCancel();
    if (at >= until) try_next(at);
    int rc = Match(text, at, *work.matching_);
    if (rc == PCRE2_ERROR_MATCHLIMIT && until > at + 1) {
      starts = 1;  // the place that takes so long is found one by one
      try_next(at);
      continue;
    }
    if (rc == PCRE2_ERROR_MATCHLIMIT) rc = MatchSlowly(text, at, work);
    starts = std::min(starts * 2, most);
    if (rc == PCRE2_ERROR_NOMATCH) {
      at = until;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    } else if (rc >= 0) {
      const PCRE2_SIZE* found = pcre2_get_ovector_pointer(work.matching_->data.get());
      const TextRange range{found[0], found[1]};
      if (range.begin < range.end || last_end != range.begin) out.push_back(range);
      last_end = range.end;
      at = range.begin < range.end ? range.end : step_over(range.end);
    } else {
      PCRE2_UCHAR message[128];
      pcre2_get_error_message(rc, message, sizeof(message));
      Fail(Status::kLimit, "{}: pattern fails at byte {} of a text of {} bytes: {}", name_, at,
           text.size(), reinterpret_cast<const char*>(message));
    }
  }
}

}  // namespace inference
