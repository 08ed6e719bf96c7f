// Oniguruma's syntax in PCRE2's words. Most of it is the same; what differs is here.
#include "tokenizer/regex.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr std::string_view kWord = "\\p{L}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kHex = "0-9A-Fa-f";

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view name) : pattern_(pattern), name_(name) {}

  std::string Run() {
    if (pattern_.substr(0, 2) == "(*") Unsupported("(*");
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\') {
        Escape();
      } else if (in_class_) {
        InClass();
      } else {
        Outside();
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void Unsupported(std::string_view what) const {
    Fail(Status::kUnsupported, "{}: pattern {}: {} at byte {} is not supported", name_,
         Quote(pattern_), Quote(what), at_);
  }

  void Copy(size_t count) {
    out_.append(pattern_, at_, count);
    at_ += count;
  }

  void Set(std::string_view members, bool negated) {
    if (in_class_) {
      if (negated) Unsupported(pattern_.substr(at_, 2));
      out_.append(members);
    } else {
      out_.append(negated ? "[^" : "[").append(members).append("]");
    }
    at_ += 2;
  }

  void Escape() {
    if (at_ + 1 >= pattern_.size()) return Copy(1);  // PCRE2 refuses it, with the place
    switch (pattern_[at_ + 1]) {
      case 's':  // PCRE2's \s has U+180E, which is no white space since Unicode 6.3
        out_.append("\\p{White_Space}");
        at_ += 2;
        return;
      case 'S':
        out_.append("\\P{White_Space}");
        at_ += 2;
        return;
      case 'w':
        return Set(kWord, false);
      case 'W':
        return Set(kWord, true);
      case 'h':
        return Set(kHex, false);
      case 'H':
        return Set(kHex, true);
      default:
        return Copy(2);
    }
  }

  void InClass() {
    const std::string_view rest = pattern_.substr(at_);
    if (rest[0] == ']' && at_ > class_begin_) {
      if (nested_) {
        nested_ = false;
        ++at_;
        return;
      }
      in_class_ = false;
      return Copy(1);
    }
    if (rest.substr(0, 2) == "&&") Unsupported("&&");
    if (rest[0] == '[') return ClassInClass(rest);
    Copy(1);
  }

  // [:alpha:] is the same in both; [a[bc]] is [abc].
  void ClassInClass(std::string_view rest) {
    if (rest.substr(0, 2) == "[:") {
      const size_t end = rest.find(":]");
      if (end != std::string_view::npos) return Copy(end + 2);
    }
    const bool plain = rest.size() > 1 && rest[1] != '^' && rest[1] != ']' && rest[1] != '-';
    if (nested_ || !plain || (!out_.empty() && out_.back() == '-')) Unsupported("[");
    nested_ = true;
    ++at_;
    class_begin_ = at_;
  }

  void Outside() {
    const std::string_view rest = pattern_.substr(at_);
    if (rest[0] == '[') {
      in_class_ = true;
      Copy(rest.substr(0, 2) == "[^" ? 2 : 1);
      class_begin_ = at_;  // a ] here stands for itself
      return;
    }
    if (rest.substr(0, 2) == "(?") {
      for (size_t i = 2; i < rest.size() && rest[i] != ':' && rest[i] != ')'; ++i) {
        const bool flag = rest[i] == '-' || (rest[i] >= 'a' && rest[i] <= 'z');
        if (!flag) break;
        if (rest[i] == 'm') Unsupported("(?m");  // "dot matches a new line" there
      }
      return Copy(2);
    }
    Copy(1);
  }

  std::string_view pattern_;
  std::string_view name_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
  bool nested_ = false;  // in a class of that class
  size_t class_begin_ = 0;
};

}  // namespace

std::string TranslatePattern(std::string_view pattern, std::string_view name) {
  return Translator(pattern, name).Run();
}

}  // namespace inference
