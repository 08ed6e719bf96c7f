#include "tokenizer/charsmap.h"

#include <utf8proc.h>

#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

constexpr size_t kMaxReplacementBytes = 1024;
constexpr size_t kMaxClusterBytes = 5;  // longer clusters are looked up by character

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::string DecodeBase64(std::string_view text, const std::string& name) {
  Require(text.size() % 4 == 0, Status::kFormat,
          "{}: precompiled_charsmap: has {} characters, expected base64", name, text.size());
  size_t digits = text.size();
  while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
  std::string out;
  out.reserve(digits / 4 * 3 + 2);
  uint32_t bits = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int digit = Base64Digit(text[i]);
    Require(digit >= 0, Status::kFormat,
            "{}: precompiled_charsmap: character {} is {}, expected base64", name, i,
            Quote(text.substr(i, 1)));
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    if (i % 4 != 0) out.push_back(static_cast<char>(bits >> (6 - 2 * (i % 4))));
  }
  return out;
}

uint32_t ReadUint32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The fields of a unit of the double array.
uint32_t LabelOf(uint32_t unit) { return unit & 0x800000FF; }
uint32_t OffsetOf(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }
bool HasLeaf(uint32_t unit) { return (unit & 0x100) != 0; }
uint32_t ValueOf(uint32_t unit) { return unit & 0x7FFFFFFF; }

}  // namespace

CharsMap::CharsMap(std::string_view base64, const std::string& name) {
  const std::string bytes = DecodeBase64(base64, name);
  Require(bytes.size() >= 4, Status::kFormat,
          "{}: precompiled_charsmap: has {} bytes, expected at least 4", name, bytes.size());
  const uint32_t size = ReadUint32(bytes, 0);
  Require(size % 4 == 0 && size > 0 && size <= bytes.size() - 4, Status::kFormat,
          "{}: precompiled_charsmap: the trie has {} bytes, expected a multiple of 4 up to {}",
          name, size, bytes.size() - 4);
  units_.reserve(size / 4);
  for (size_t at = 4; at < 4 + size_t{size}; at += 4) units_.push_back(ReadUint32(bytes, at));
  replacements_ = bytes.substr(4 + size_t{size});
  Require(IsValidUtf8(replacements_), Status::kFormat,
          "{}: precompiled_charsmap: the replacements are not UTF-8", name);
  replacements_.push_back('\0');
  for (size_t at = 0; at < replacements_.size();) {
    const size_t end = replacements_.find('\0', at);
    Require(end - at <= kMaxReplacementBytes, Status::kLimit,
            "{}: precompiled_charsmap: a replacement has {} bytes, expected at most {}", name,
            end - at, kMaxReplacementBytes);
    at = end + 1;
  }
}

// The replacement of the shortest key that `part` begins with. A damaged trie ends the search.
std::optional<std::string_view> CharsMap::Find(std::string_view part) const {
  uint32_t node = OffsetOf(units_[0]);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;  // NUL ends keys
    node ^= byte;
    if (node >= units_.size() || LabelOf(units_[node]) != byte) return std::nullopt;
    const uint32_t unit = units_[node];
    node ^= OffsetOf(unit);
    if (!HasLeaf(unit)) continue;
    if (node >= units_.size() || ValueOf(units_[node]) >= replacements_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(ValueOf(units_[node]));
    // Where a value points into the middle of a character, there is no replacement.
    const std::string_view text = rest.substr(0, rest.find('\0'));
    return IsValidUtf8(text) ? std::optional(text) : std::nullopt;
  }
  return std::nullopt;
}

void CharsMap::AppendCluster(std::string_view cluster, std::string& out) const {
  if (cluster.size() <= kMaxClusterBytes) {
    if (const std::optional<std::string_view> text = Find(cluster)) {
      out.append(*text);
      return;
    }
  }
  for (size_t at = 0; at < cluster.size();) {
    const std::string_view character = cluster.substr(at, DecodeUtf8(cluster, at).length);
    out.append(Find(character).value_or(character));
    at += character.size();
  }
}

std::string CharsMap::Apply(std::string_view text, TextWork& work) const {
  std::string out;
  out.reserve(text.size());
  size_t begin = 0;
  utf8proc_int32_t state = 0;
  utf8proc_int32_t previous = -1;
  size_t at = 0;
  ForEachCharacter(text, work, out, [&](const Utf8Char& c) {
    const auto code_point = static_cast<utf8proc_int32_t>(c.code_point);
    if (previous >= 0 && utf8proc_grapheme_break_stateful(previous, code_point, &state)) {
      AppendCluster(text.substr(begin, at - begin), out);
      if (begin == 0 && out.empty()) work.at_start = false;
      begin = at;
    }
    previous = code_point;
    at += c.length;
  });
  if (begin < text.size()) AppendCluster(text.substr(begin), out);
  return out;
}

}  // namespace inference
