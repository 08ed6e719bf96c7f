// Normalizers that drop or change characters one by one.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/text_work.h"

namespace inference {

// All take valid UTF-8; LIMIT and CANCELLED as `work` says.
std::string StripAccents(std::string_view text, TextWork& work);  // drops marks: Mn, Mc, Me
// Drops control characters; odd spaces become ' '.
std::string NmtFilter(std::string_view text, TextWork& work);

struct BertOptions {
  bool clean_text = true;     // drops U+0000, U+FFFD and the category C; white space becomes ' '
  bool split_chinese = true;  // handle_chinese_chars: a space on both sides
  bool strip_accents = true;  // NFD without Mn
  bool lowercase = true;
};
std::string BertNormalize(std::string_view text, const BertOptions& options, TextWork& work);

}  // namespace inference
