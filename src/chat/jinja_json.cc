// json.dumps() of Python.
#include <algorithm>
#include <cmath>

#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "util/utf8.h"

namespace inference::jinja {

namespace {

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style)
      : runtime_(runtime), style_(style), out_(runtime) {}

  void Add(const Value& value, int depth);
  std::string Take() { return out_.Take(); }

 private:
  void AddString(std::string_view text);
  void AddNumber(const Value& value);
  void AddDict(const Dict& dict, int depth);
  std::string_view KeyText(const Value& key);

  // Before each item, and before the closing bracket where there were items.
  void NewLine(int depth) {
    if (!style_.indent) return;
    out_.Add('\n');
    for (int i = 0; i < depth; ++i) out_.Add(*style_.indent);
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  TextOut out_;
};

void JsonWriter::AddString(std::string_view text) {
  std::string quoted = "\"";
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    const uint32_t code = c.code_point;
    static constexpr std::string_view kFrom = "\"\\\n\r\t\f\b", kTo = "\"\\nrtfb";
    const size_t simple = code < 0x80 ? kFrom.find(static_cast<char>(code)) : kFrom.npos;
    if (simple != kFrom.npos) {
      quoted += '\\';
      quoted += kTo[simple];
    } else if (code < 0x20 || (style_.ensure_ascii && code >= 0x7F && code < 0x10000)) {
      quoted += code == 0x7F ? "\x7F" : fmt::format("\\u{:04x}", code);
    } else if (style_.ensure_ascii && code >= 0x10000) {
      const uint32_t rest = code - 0x10000;
      quoted += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      quoted.append(text.substr(at, c.length));
    }
    at += c.length;
  }
  quoted += '"';
  out_.Add(quoted);
}

void JsonWriter::AddNumber(const Value& value) {
  if (value.kind() == Kind::kBool) return out_.Add(value.boolean() ? "true" : "false");
  if (value.kind() == Kind::kInt) return out_.Add(fmt::format("{}", value.integer()));
  const double number = value.number();
  if (std::isnan(number)) return out_.Add("NaN");
  if (std::isinf(number)) return out_.Add(number < 0 ? "-Infinity" : "Infinity");
  out_.Add(FloatRepr(number));
}

std::string_view JsonWriter::KeyText(const Value& key) {
  if (key.IsString()) return key.text();
  if (!key.IsNumber() && !key.IsNone()) {
    Raise("keys must be str, int, float, bool or None, not {}", TypeName(key));
  }
  JsonWriter writer(runtime_, style_);
  writer.Add(key, 0);
  return runtime_.Keep(writer.Take());
}

void JsonWriter::AddDict(const Dict& dict, int depth) {
  if (dict.entries.empty()) return out_.Add("{}");
  std::vector<std::pair<Value, Value>> entries = dict.entries;
  if (style_.sort_keys) {
    std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
      return Compare(runtime_, Op::kLess, a.first, b.first);
    });
  }
  out_.Add('{');
  bool first = true;
  for (const auto& [key, value] : entries) {
    if (!first) out_.Add(style_.item_separator);
    first = false;
    NewLine(depth + 1);
    AddString(KeyText(key));
    out_.Add(style_.key_separator);
    Add(value, depth + 1);
  }
  NewLine(depth);
  out_.Add('}');
}

void JsonWriter::Add(const Value& value, int depth) {
  if (depth > kMaxDepth) Raise("depth > {}", kMaxDepth);
  if (value.IsNone()) return out_.Add("null");
  if (value.IsNumber()) return AddNumber(value);
  if (value.IsString()) return AddString(value.text());
  if (value.kind() == Kind::kDict) return AddDict(*value.dict(), depth);
  const bool list = value.kind() == Kind::kList && (value.list()->sequence == Sequence::kList ||
                                                    value.list()->sequence == Sequence::kTuple);
  if (!list) Raise("Object of type {} is not JSON serializable", TypeName(value));
  const std::vector<Value>& items = value.list()->items;
  if (items.empty()) return out_.Add("[]");
  out_.Add('[');
  bool first = true;
  for (const Value& item : items) {
    if (!first) out_.Add(style_.item_separator);
    first = false;
    NewLine(depth + 1);
    Add(item, depth + 1);
  }
  NewLine(depth);
  out_.Add(']');
}

}  // namespace

std::string_view ToJson(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  writer.Add(value, 0);
  return runtime.Keep(writer.Take());
}

}  // namespace inference::jinja
