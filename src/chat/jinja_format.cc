#include "chat/jinja_format.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "chat/jinja_fault.h"
#include "chat/jinja_float_digits.h"
#include "chat/jinja_ops.h"
#include "chat/jinja_print.h"
#include "chat/jinja_text.h"

namespace inference::jinja {

namespace {

constexpr int kMaxWidth = 10'000;

struct Spec {
  std::string flags;  // of "-+ 0#"
  int width = 0;
  int precision = -1;  // absent
  char type = 0;

  bool Has(char flag) const { return flags.find(flag) != std::string::npos; }
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, std::string_view format, const Value& values)
      : runtime_(runtime), out_(runtime), format_(format), values_(values) {}

  Value Run() {
    while (at_ < format_.size()) {
      const size_t mark = std::min(format_.find('%', at_), format_.size());
      out_.Add(format_.substr(at_, mark - at_));
      at_ = mark;
      if (at_ < format_.size()) Field();
    }
    const bool tuple = IsTuple();
    const size_t given = tuple ? values_.list()->items.size() : 1;
    if (used_ < given && (tuple || values_.kind() != Kind::kDict) && !mapped_) {
      Raise("not all arguments converted during string formatting");
    }
    return runtime_.Text(out_.Take());
  }

 private:
  bool IsTuple() const {
    return values_.kind() == Kind::kList && values_.list()->sequence == Sequence::kTuple;
  }

  char Peek() const {
    if (at_ >= format_.size()) Raise("incomplete format");
    return format_[at_];
  }

  int Number() {
    int number = 0;
    while (Peek() >= '0' && Peek() <= '9') {
      number = number * 10 + (format_[at_++] - '0');
      if (number > kMaxWidth) Raise("format width or precision above {}", kMaxWidth);
    }
    return number;
  }

  void Field() {
    ++at_;
    Value value;
    bool mapped = false;
    if (Peek() == '(') {
      const size_t close = format_.find(')', at_);
      if (close == format_.npos) Raise("incomplete format key");
      if (values_.kind() != Kind::kDict) Raise("format requires a mapping");
      const Value key(format_.substr(at_ + 1, close - at_ - 1));
      const Value* found = FindKey(runtime_, *values_.dict(), key);
      if (found == nullptr) Raise("KeyError: {}", Repr(runtime_, key));
      value = *found;
      mapped = mapped_ = true;
      at_ = close + 1;
    }
    Spec spec;
    while (std::string_view("-+ 0#").find(Peek()) != std::string_view::npos) {
      spec.flags += format_[at_++];
      if (spec.flags.size() > 8) Raise("too many format flags");
    }
    spec.width = Number();
    if (Peek() == '.') {
      ++at_;
      spec.precision = Number();
    }
    spec.type = Peek();
    ++at_;
    if (spec.type == '%') return out_.Add('%');
    if (!mapped) value = NextValue();
    out_.Add(Format(spec, value));
  }

  Value NextValue() {
    const size_t index = used_++;
    if (!IsTuple() && index == 0) return values_;
    if (!IsTuple() || index >= values_.list()->items.size()) {
      Raise("not enough arguments for format string");
    }
    return values_.list()->items[index];
  }

  std::string Format(const Spec& spec, const Value& value) {
    if (spec.type == 's' || spec.type == 'r') {
      std::string_view text = spec.type == 's' ? Str(runtime_, value) : Repr(runtime_, value);
      if (spec.precision >= 0) {
        text = text.substr(0, OffsetOfChar(text, static_cast<size_t>(spec.precision)));
      }
      return Pad(spec, std::string(text));
    }
    RequireDefined(value);
    if (!value.IsNumber()) {
      Raise("%{} format: a number is required, not {}", spec.type, TypeName(value));
    }
    if (std::string_view("dixXo").find(spec.type) != std::string_view::npos) {
      return FormatInteger(spec, value);
    }
    if (std::string_view("fFeEgG").find(spec.type) == std::string_view::npos) {
      Raise("unsupported format character {}", QuoteLikePython(std::string_view(&spec.type, 1)));
    }
    const double number = value.number();
    return PadNumber(spec, std::signbit(number) && !std::isnan(number), "",
                     FloatDigits(std::abs(number), spec.type, spec.Has('#'),
                                 spec.precision < 0 ? 6 : spec.precision));
  }

  static std::string FormatInteger(const Spec& spec, const Value& value) {
    const bool decimal = spec.type == 'd' || spec.type == 'i';
    if (value.kind() == Kind::kFloat && (!decimal || !(std::abs(value.number()) < 9.2e18))) {
      Raise("%{} format: an integer is required, not float", spec.type);
    }
    const int64_t number =
        value.kind() == Kind::kFloat ? static_cast<int64_t>(value.number()) : value.integer();
    const auto bits = static_cast<uint64_t>(number);
    const uint64_t size = number < 0 ? 0 - bits : bits;
    std::string digits = decimal            ? fmt::format("{}", size)
                         : spec.type == 'o' ? fmt::format("{:o}", size)
                         : spec.type == 'x' ? fmt::format("{:x}", size)
                                            : fmt::format("{:X}", size);
    const auto wanted = static_cast<size_t>(std::max(spec.precision, 0));
    if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
    const std::string prefix = spec.Has('#') && !decimal ? std::string("0") + spec.type : "";
    return PadNumber(spec, number < 0, prefix, digits);
  }

  static std::string PadNumber(const Spec& spec, bool negative, const std::string& prefix,
                               const std::string& digits) {
    const char* sign = negative ? "-" : spec.Has('+') ? "+" : spec.Has(' ') ? " " : "";
    const std::string head = sign + prefix;
    const size_t chars = head.size() + digits.size();
    const auto width = static_cast<size_t>(spec.width);
    if (spec.Has('0') && !spec.Has('-') && chars < width) {
      return head + std::string(width - chars, '0') + digits;
    }
    return Pad(spec, head + digits);
  }

  static std::string Pad(const Spec& spec, std::string text) {
    const size_t chars = CountChars(text);
    const auto width = static_cast<size_t>(spec.width);
    if (chars >= width) return text;
    const std::string spaces(width - chars, ' ');
    return spec.Has('-') ? text + spaces : spaces + text;
  }

  Runtime& runtime_;
  TextOut out_;
  std::string_view format_;
  const Value& values_;
  size_t at_ = 0;
  size_t used_ = 0;
  bool mapped_ = false;
};

}  // namespace

Value PercentFormat(Runtime& runtime, std::string_view format, const Value& values) {
  return PercentFormatter(runtime, format, values).Run();
}

}  // namespace inference::jinja
