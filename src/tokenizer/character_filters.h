// Normalizers that drop or change characters one by one.
#pragma once

#include <string>
#include <string_view>

namespace inference {

// All take valid UTF-8.
std::string StripAccents(std::string_view text);  // drops marks: Mn, Mc, Me
std::string NmtFilter(std::string_view text);     // drops control characters, odd spaces to ' '

struct BertOptions {
  bool clean_text = true;     // drops U+0000, U+FFFD and the category C; white space becomes ' '
  bool split_chinese = true;  // handle_chinese_chars: a space on both sides
  bool strip_accents = true;  // NFD without Mn
  bool lowercase = true;
};
std::string BertNormalize(std::string_view text, const BertOptions& options);

}  // namespace inference
