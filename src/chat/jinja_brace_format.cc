// "...".format(values): Python's replacement fields.
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "chat/jinja_ast.h"
#include "chat/jinja_fault.h"
#include "chat/jinja_format.h"
#include "chat/jinja_format_spec.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"

namespace inference::jinja {

namespace {

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Args& args) : runtime_(runtime), args_(args) {}

  // Fields may stand in a field's specification, but no deeper.
  std::string Format(std::string_view format, int depth) {
    if (depth > 1) Raise("Max string recursion exceeded");
    TextOut out(runtime_);
    for (size_t at = 0; at < format.size();) {
      const size_t mark = std::min(format.find_first_of("{}", at), format.size());
      out.Add(format.substr(at, mark - at));
      if (mark == format.size()) break;
      if (mark + 1 < format.size() && format[mark + 1] == format[mark]) {
        out.Add(format[mark]);
        at = mark + 2;
        continue;
      }
      if (format[mark] == '}') Raise("Single '}}' encountered in format string");
      const size_t close = FindClose(format, mark + 1);
      out.Add(Field(format.substr(mark + 1, close - mark - 1), depth));
      at = close + 1;
    }
    return out.Take();
  }

 private:
  static size_t FindClose(std::string_view format, size_t at) {
    bool index = false;  // within [...], where a brace is a character
    for (int open = 1; at < format.size(); ++at) {
      const char c = format[at];
      if (c == '[' && open == 1) index = true;
      if (c == ']') index = false;
      if (index) continue;
      if (c == '{') ++open;
      if (c == '}' && --open == 0) return at;
    }
    Raise("expected '}}' before end of string");
  }

  std::string Field(std::string_view field, int depth) {
    size_t end = 0;
    for (bool index = false; end < field.size(); ++end) {
      const char c = field[end];
      if (c == '[') index = true;
      if (c == ']') index = false;
      if (!index && (c == '!' || c == ':')) break;
    }
    Value value = Resolve(field.substr(0, end));
    std::string_view rest = field.substr(end);
    if (rest.starts_with('!')) {
      const char conversion = rest.size() > 1 ? rest[1] : '\0';
      if (rest.size() > 2 && rest[2] != ':') Raise("expected ':' after conversion specifier");
      if (conversion == 'r') {
        value = Value(Repr(runtime_, value));
      } else if (conversion == 's') {
        value = Value(Str(runtime_, value));
      } else {
        Raise("format conversion in {} is not supported", QuoteLikePython(field));
      }
      rest.remove_prefix(2);
    }
    const std::string spec = rest.empty() ? std::string() : Format(rest.substr(1), depth + 1);
    return FormatValue(runtime_, value, spec);
  }

  // NAME or NUMBER, then .attributes and [items].
  Value Resolve(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = Argument(name.substr(0, end));
    for (std::string_view rest = name.substr(end); !rest.empty();) {
      runtime_.Charge(1);
      if (rest[0] == '.') {
        const size_t stop = std::min(rest.find_first_of(".[", 1), rest.size());
        if (stop == 1) Raise("Empty attribute in format string");
        value = GetAttribute(runtime_, value, rest.substr(1, stop - 1));
        rest.remove_prefix(stop);
        continue;
      }
      const size_t close = rest.find(']');
      if (rest[0] != '[' || close == rest.npos) Raise("Missing ']' in format string");
      if (close == 1) Raise("Empty attribute in format string");
      const std::string_view key = rest.substr(1, close - 1);
      const std::optional<int64_t> index = Number(key);
      value = GetItem(runtime_, value, index ? Value(*index) : Value(key));
      rest.remove_prefix(close + 1);
      if (!rest.empty() && rest[0] != '.' && rest[0] != '[') {
        Raise("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  static std::optional<int64_t> Number(std::string_view text) {
    int64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), last, number);
    if (text.empty() || text[0] == '-' || error != std::errc() || rest != last) return std::nullopt;
    return number;
  }

  Value Argument(std::string_view name) {
    std::optional<int64_t> index = Number(name);
    if (name.empty() || index) {
      const bool by_order = name.empty();
      if (by_order_ && *by_order_ != by_order) {
        Raise("cannot switch between automatic and manual field numbering");
      }
      by_order_ = by_order;
      if (by_order) index = next_++;
      if (*index >= static_cast<int64_t>(args_.positional.size())) {
        Raise("Replacement index {} out of range for positional args tuple", *index);
      }
      return args_.positional[static_cast<size_t>(*index)];
    }
    for (const auto& [key, value] : args_.named) {
      if (key == name) return value;
    }
    Raise("KeyError: {}", QuoteLikePython(name));
  }

  Runtime& runtime_;
  const Args& args_;
  std::optional<bool> by_order_;  // whether fields are numbered by their order; unknown at first
  int64_t next_ = 0;
};

}  // namespace

Value BraceFormat(Runtime& runtime, std::string_view format, const Args& args) {
  return runtime.Text(BraceFormatter(runtime, args).Format(format, 0));
}

}  // namespace inference::jinja
