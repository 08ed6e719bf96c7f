// What one encode or one decode has while texts are changed and cut: its limits, and the request to
// stop it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "util/cancel.h"
#include "util/utf8.h"

namespace inference {

constexpr std::string_view kEncoding = "generate: encoding";  // what CANCELLED says
constexpr size_t kMaxNormalizedBytes = size_t{256} << 20;     // of all texts that one encode makes
constexpr uint64_t kMaxMatchSteps = 10'000'000;               // backtracking, of one match
constexpr uint64_t kMaxRegexSteps = 1'000'000'000;            // backtracking, of one encode

class TextWork {
 public:
  explicit TextWork(const CancelFlag* cancel = nullptr);  // may be null
  TextWork(TextWork&&) noexcept;
  TextWork& operator=(TextWork&&) noexcept;
  ~TextWork();

  // A text that is being made has `bytes` by now: LIMIT where that is too much, CANCELLED.
  void CheckSize(size_t bytes) const {
    CheckCancel();
    Require(bytes <= kMaxNormalizedBytes - kept_, Status::kLimit,
            "tokenizer: normalizers, pre-tokenizers or decoders make more than {} bytes",
            kMaxNormalizedBytes);
  }
  void CheckCancel() const { ThrowIfCancelled(cancel_, kEncoding); }

  // A text is finished; its size counts from now on.
  void Keep(size_t bytes) {
    CheckSize(bytes);
    kept_ += bytes;
  }

  // Whether the text being changed still begins where the input began. Who drops the front of a
  // text clears it.
  bool at_start = true;

 private:
  friend class Regex;
  struct Matching;

  const CancelFlag* cancel_;
  size_t kept_ = 0;
  uint64_t steps_left_ = kMaxRegexSteps;
  std::unique_ptr<Matching> matching_;  // made by the first match
};

constexpr size_t kBytesBetweenChecks = size_t{1} << 16;

// Calls `visit(character)` for each Utf8Char of `text`, which grow `out`; CheckSize now and then.
template <typename Visit>
void ForEachCharacter(std::string_view text, const TextWork& work, const std::string& out,
                      Visit visit) {
  size_t next_check = 0;
  for (size_t at = 0; at < text.size();) {
    if (at >= next_check) {
      work.CheckSize(out.size());
      next_check = at + kBytesBetweenChecks;
    }
    const Utf8Char c = DecodeUtf8(text, at);
    visit(c);
    at += c.length;
  }
}

}  // namespace inference
