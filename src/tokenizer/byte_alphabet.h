// GPT-2's alphabet: each byte as one printable character, so that a vocabulary is plain text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/text_work.h"

namespace inference {

class ByteAlphabet {
 public:
  static const ByteAlphabet& Get();

  // Appends the characters of `bytes` to `out`; LIMIT and CANCELLED as `work` says.
  void Encode(std::string_view bytes, const TextWork& work, std::string& out) const;
  // The bytes of `text`; `text` itself where a character is outside the alphabet, as Hugging Face
  // does for added tokens.
  std::string Decode(std::string_view text) const;

 private:
  ByteAlphabet();

  static constexpr uint32_t kEnd = 0x144;  // code points of the alphabet lie below
  std::array<uint16_t, 256> char_of_;
  std::array<int16_t, kEnd> byte_of_;  // -1: none
};

}  // namespace inference
