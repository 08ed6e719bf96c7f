#include "chat/jinja_print.h"

#include <array>
#include <charconv>
#include <cmath>

#include "chat/jinja_ast.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_text.h"
#include "util/utf8.h"

namespace inference::jinja {

namespace {

void AddRepr(Runtime& runtime, TextOut& out, const Value& value, int depth);

void AddItems(Runtime& runtime, TextOut& out, const std::vector<Value>& items, int depth) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.Add(", ");
    first = false;
    AddRepr(runtime, out, item, depth);
  }
}

void AddList(Runtime& runtime, TextOut& out, const List& list, int depth) {
  switch (list.sequence) {
    case Sequence::kList:
      out.Add('[');
      AddItems(runtime, out, list.items, depth);
      return out.Add(']');
    case Sequence::kTuple:
      out.Add('(');
      AddItems(runtime, out, list.items, depth);
      return out.Add(list.items.size() == 1 ? ",)" : ")");
    case Sequence::kRange:
      out.Add(fmt::format("range({}, {}", list.start, list.stop));
      return out.Add(list.step == 1 ? ")" : fmt::format(", {})", list.step));
    case Sequence::kGenerator:
      return out.Add("<generator object>");
    default:
      break;
  }
  out.Add(TypeName(Value(const_cast<List*>(&list))));
  out.Add("([");
  AddItems(runtime, out, list.items, depth);
  out.Add("])");
}

void AddDict(Runtime& runtime, TextOut& out, const Dict& dict, int depth) {
  out.Add('{');
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) out.Add(", ");
    first = false;
    AddRepr(runtime, out, key, depth);
    out.Add(": ");
    AddRepr(runtime, out, value, depth);
  }
  out.Add('}');
}

void AddSpace(Runtime& runtime, TextOut& out, const Space& space, int depth) {
  if (space.is_self) return out.Add("<TemplateReference None>");
  out.Add("<Namespace {");
  bool first = true;
  for (const auto& [name, value] : space.attributes) {
    if (!first) out.Add(", ");
    first = false;
    out.Add(QuoteLikePython(name));
    out.Add(": ");
    AddRepr(runtime, out, value, depth);
  }
  out.Add("}>");
}

void AddRepr(Runtime& runtime, TextOut& out, const Value& value, int depth) {
  if (depth > kMaxDepth) Raise("depth > {}", kMaxDepth);
  switch (value.kind()) {
    case Kind::kNone:
      return out.Add("None");
    case Kind::kUndefined:
      return out.Add("Undefined");
    case Kind::kBool:
      return out.Add(value.boolean() ? "True" : "False");
    case Kind::kInt:
      return out.Add(fmt::format("{}", value.integer()));
    case Kind::kFloat:
      return out.Add(FloatRepr(value.number()));
    case Kind::kString:
      return out.Add(QuoteLikePython(value.text()));
    case Kind::kList:
      return AddList(runtime, out, *value.list(), depth + 1);
    case Kind::kDict:
      return AddDict(runtime, out, *value.dict(), depth + 1);
    case Kind::kSpace:
      return AddSpace(runtime, out, *value.Get<Space*>(), depth + 1);
    case Kind::kMacro:
      return out.Add(
          fmt::format("<Macro {}>", QuoteLikePython(value.Get<Macro*>()->definition->text)));
    case Kind::kLoop: {
      const Loop& loop = *value.Get<Loop*>();
      return out.Add(fmt::format("<LoopContext {}/{}>", loop.index + 1, loop.items->size()));
    }
    case Kind::kBuiltin:
      return out.Add(fmt::format("<function {}>", value.Get<const Builtin*>()->name));
    case Kind::kCycler:
    case Kind::kJoiner:
      return out.Add(fmt::format("<{} object>", TypeName(value)));
    case Kind::kMethod:
      return out.Add(fmt::format("<method {}>", value.Get<const Method*>()->info->name));
  }
}

}  // namespace

std::string QuoteLikePython(std::string_view text) {
  const bool single = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = single ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    const std::string_view bytes = text.substr(at, c.length);
    at += c.length;
    if (c.code_point == '\n') {
      out += "\\n";
    } else if (c.code_point == '\r') {
      out += "\\r";
    } else if (c.code_point == '\t') {
      out += "\\t";
    } else if (c.code_point == '\\' || c.code_point == static_cast<uint32_t>(quote)) {
      out += '\\';
      out += bytes;
    } else if (IsPrintable(c.code_point)) {
      out += bytes;
    } else if (c.code_point < 0x100) {
      out += fmt::format("\\x{:02x}", c.code_point);
    } else if (c.code_point < 0x10000) {
      out += fmt::format("\\u{:04x}", c.code_point);
    } else {
      out += fmt::format("\\U{:08x}", c.code_point);
    }
  }
  out += quote;
  return out;
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer;
  char* const begin = buffer.data();
  char* const end = begin + buffer.size();
  const auto print = [&](std::chars_format format) {
    return std::string(begin, std::to_chars(begin, end, value, format).ptr);
  };
  const std::string scientific = print(std::chars_format::scientific);
  int exponent = 0;
  const size_t mark = scientific.find('e') + (scientific.find("e+") != std::string::npos ? 2 : 1);
  std::from_chars(scientific.data() + mark, scientific.data() + scientific.size(), exponent);
  if (exponent < -4 || exponent >= 16) return scientific;
  std::string fixed = print(std::chars_format::fixed);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

std::string_view Repr(Runtime& runtime, const Value& value) {
  TextOut out(runtime);
  AddRepr(runtime, out, value, 0);
  return runtime.Keep(out.Take());
}

std::string_view Str(Runtime& runtime, const Value& value) {
  if (value.IsString()) return value.text();
  if (value.IsUndefined()) return {};
  return Repr(runtime, value);
}

}  // namespace inference::jinja
