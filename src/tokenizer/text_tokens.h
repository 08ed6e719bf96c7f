// The tokens that a model may make of ordinary text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace inference {

// A vocabulary without its special tokens and without those that are only added: the search for
// added tokens finds these, where the caller allows it, and no model ever does.
class TextTokens {  // immutable, thread-safe
 public:
  TextTokens(std::shared_ptr<const Vocabulary> vocabulary, const std::vector<bool>& special)
      : vocabulary_(std::move(vocabulary)), excluded_(special) {
    for (int32_t id = 0; id < vocabulary_->size(); ++id) {
      if (vocabulary_->IsOnlyAdded(id)) excluded_[static_cast<size_t>(id)] = true;
    }
  }

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  bool Has(int32_t id) const { return !excluded_[static_cast<size_t>(id)]; }  // id in range

  std::optional<int32_t> Find(std::string_view text) const {
    const std::optional<int32_t> id = vocabulary_->Find(text);
    return id && Has(*id) ? id : std::nullopt;
  }

  // The ids of <0x00>..<0xFF>, -1: not a token.
  std::vector<int32_t> FindByteTokens() const;

 private:
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<bool> excluded_;  // by id
};

}  // namespace inference
