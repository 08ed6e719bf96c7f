#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.h"

#include <pcre2.h>

#include <optional>

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr uint32_t kMatchLimit = 10'000'000;  // backtracking steps of one match
constexpr size_t kJitStackBytes = 32 << 20;   // reserved, committed as it is used

}  // namespace

struct RegexScratch::Impl {
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data{
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free};
  std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context{
      pcre2_match_context_create(nullptr), pcre2_match_context_free};
  std::unique_ptr<pcre2_jit_stack, decltype(&pcre2_jit_stack_free)> stack{nullptr,
                                                                          pcre2_jit_stack_free};
};

RegexScratch::RegexScratch() = default;
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;
RegexScratch& RegexScratch::operator=(RegexScratch&&) noexcept = default;

RegexScratch::~RegexScratch() = default;

Regex::Regex(std::string_view pattern, std::string name) : name_(std::move(name)) {
  Require(pattern.size() <= kMaxPatternBytes, Status::kLimit,
          "{}: pattern of {} bytes, expected at most {}", name_, pattern.size(), kMaxPatternBytes);
  const std::string text = TranslatePattern(pattern, name_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Oniguruma's ^ and $ match at every line; \C could split a code point.
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[128];
    pcre2_get_error_message(error, message, sizeof(message));
    Fail(Status::kFormat, "{}: pattern {}: {} at byte {}", name_, Quote(text),
         reinterpret_cast<const char*>(message), offset);
  }
  code_ = std::shared_ptr<const void>(
      code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, the interpreter matches
}

void Regex::FindAll(std::string_view text, RegexScratch& scratch,
                    std::vector<TextRange>& out) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  if (!scratch.impl_) {
    scratch.impl_ = std::make_unique<RegexScratch::Impl>();
    Require(scratch.impl_->data && scratch.impl_->context, Status::kOomHost,
            "tokenizer: no memory to match");
    pcre2_set_match_limit(scratch.impl_->context.get(), kMatchLimit);
  }
  RegexScratch::Impl& s = *scratch.impl_;
  out.clear();
  std::optional<size_t> last_end;
  for (size_t at = 0; at <= text.size();) {
    int rc = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                         PCRE2_NO_UTF_CHECK, s.data.get(), s.context.get());
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !s.stack) {
      s.stack.reset(pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr));
      pcre2_jit_stack_assign(s.context.get(), nullptr, s.stack.get());
      continue;
    }
    if (rc == PCRE2_ERROR_NOMATCH) return;
    if (rc < 0) {
      PCRE2_UCHAR message[128];
      pcre2_get_error_message(rc, message, sizeof(message));
      Fail(Status::kLimit, "{}: pattern fails at byte {} of a text of {} bytes: {}", name_, at,
           text.size(), reinterpret_cast<const char*>(message));
    }
    const PCRE2_SIZE* found = pcre2_get_ovector_pointer(s.data.get());
    const TextRange range{found[0], found[1]};
    if (range.begin < range.end || last_end != range.begin) out.push_back(range);
    last_end = range.end;
    at = range.end;
    if (range.begin >= range.end) at += at < text.size() ? DecodeUtf8(text, at).length : 1;
  }
}

}  // namespace inference
