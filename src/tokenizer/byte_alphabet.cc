#include "tokenizer/byte_alphabet.h"

#include "util/utf8.h"

namespace inference {

// Printable Latin-1 stands for itself; the other 68 bytes take U+0100 and up, in order.
ByteAlphabet::ByteAlphabet() {
  byte_of_.fill(-1);
  uint16_t next = 0x100;
  for (uint16_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    char_of_[byte] = printable ? byte : next++;
    byte_of_[char_of_[byte]] = static_cast<int16_t>(byte);
  }
}

const ByteAlphabet& ByteAlphabet::Get() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

void ByteAlphabet::Encode(std::string_view bytes, const TextWork& work, std::string& out) const {
  for (size_t at = 0; at < bytes.size(); at += kBytesBetweenChecks) {
    work.CheckSize(out.size());
    for (const char c : bytes.substr(at, kBytesBetweenChecks)) {
      AppendUtf8(out, char_of_[static_cast<unsigned char>(c)]);
    }
  }
}

std::string ByteAlphabet::Decode(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (!c.valid || c.code_point >= kEnd || byte_of_[c.code_point] < 0) return std::string(text);
    out.push_back(static_cast<char>(byte_of_[c.code_point]));
    at += c.length;
  }
  return out;
}

}  // namespace inference
