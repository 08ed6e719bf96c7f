// SentencePiece's precompiled character map: a double-array trie (Yata et al. 2007, as darts-clone
// lays it out) from character sequences to their replacements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/text_work.h"

namespace inference {

class CharsMap {  // immutable, thread-safe
 public:
  // `base64`: the size of the trie in bytes (32 bits, little-endian), the trie, the replacements
  // with a NUL after each. `name` (file and part) begins every message; FORMAT, LIMIT for a
  // replacement past 1024 bytes.
  CharsMap(std::string_view base64, const std::string& name);

  // Replaces grapheme clusters below 6 bytes, else their characters, as Hugging Face does: the
  // shortest key that begins one replaces all of it.
  std::string Apply(std::string_view text, TextWork& work) const;

 private:
  std::optional<std::string_view> Find(std::string_view part) const;
  void AppendCluster(std::string_view cluster, std::string& out) const;

  std::vector<uint32_t> units_;
  std::string replacements_;  // ends with NUL
};

}  // namespace inference
