#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/adapter_pattern.h"

#include <pcre2.h>

#include "util/error.h"

namespace inference {

namespace {

constexpr size_t kMaxPatternBytes = 1 << 14;
constexpr uint32_t kMaxMatchSteps = 200'000;
constexpr uint32_t kMatchKibibytes = 16 << 10;

}  // namespace

AdapterPattern::AdapterPattern(std::string_view pattern, Match match, std::string name)
    : name_(std::move(name)) {
  Require(pattern.size() <= kMaxPatternBytes, Status::kLimit,
          "{}: pattern of {} bytes, expected at most {}", name_, pattern.size(), kMaxPatternBytes);
  const std::string text = match == Match::kWhole ? fmt::format("(?:{})", pattern)
                                                  : fmt::format(R"((?:.*\.)?(?:{})$)", pattern);
  uint32_t options = PCRE2_ANCHORED | PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  if (match == Match::kWhole) options |= PCRE2_ENDANCHORED;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), options,
                                   &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[128];
    pcre2_get_error_message(error, message, sizeof(message));
    Fail(Status::kFormat, "{}: pattern {}: {}", name_, Quote(pattern),
         reinterpret_cast<const char*>(message));
  }
  code_ = std::shared_ptr<const void>(
      code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
}

bool AdapterPattern::Matches(std::string_view module) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data{
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free};
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context{
      pcre2_match_context_create(nullptr), pcre2_match_context_free};
  Require(data && context, Status::kOomHost, "{}: no memory to match", name_);
  pcre2_set_match_limit(context.get(), kMaxMatchSteps);
  pcre2_set_heap_limit(context.get(), kMatchKibibytes);
  const int rc = pcre2_match(static_cast<const pcre2_code*>(code_.get()),
                             reinterpret_cast<PCRE2_SPTR>(module.data()), module.size(), 0, 0,
                             data.get(), context.get());
  Require(rc >= 0 || rc == PCRE2_ERROR_NOMATCH, Status::kLimit,
          "{}: pattern takes too long on module {}", name_, Quote(module));
  return rc >= 0;
}

}  // namespace inference
