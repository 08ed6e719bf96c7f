// Oniguruma's syntax in PCRE2's words. Both must mean the same: what is not known to is
// UNSUPPORTED.
#include <algorithm>
#include <array>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"
#include "util/error.h"
#include "util/utf8.h"

namespace inference {

namespace {

// \w in a class, [:word:]. Outside of a class Oniguruma has six numbers of Latin-1 as well.
constexpr std::string_view kWordInClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kWord =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::string_view kHex = "0-9A-Fa-f";

struct PosixClass {
  std::string_view name;
  std::string_view members;
  std::string_view others;  // [:^name:]; "": needs a class of its own
};
constexpr std::array<PosixClass, 14> kPosixClasses = {{
    {"alnum", "\\p{Alphabetic}\\p{Nd}", ""},
    {"alpha", "\\p{Alphabetic}", "\\P{Alphabetic}"},
    {"ascii", "\\x{0}-\\x{7F}", "\\x{80}-\\x{10FFFF}"},
    {"blank", "\\p{Zs}\\t", ""},
    {"cntrl", "\\p{Cc}", "\\P{Cc}"},
    {"digit", "\\p{Nd}", "\\P{Nd}"},
    {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}", ""},
    {"lower", "\\p{Lowercase}", "\\P{Lowercase}"},
    {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}", ""},
    {"punct", "\\p{P}\\p{S}", ""},
    {"space", "\\p{White_Space}", "\\P{White_Space}"},
    {"upper", "\\p{Uppercase}", "\\P{Uppercase}"},
    {"word", kWordInClass, ""},
    {"xdigit", kHex, ""},
}};

// Properties that both engines have under this name; any other name must be that of a script.
constexpr std::array<std::string_view, 45> kProperties = {
    "C",         "Cc",        "Cf",          "Cn",          "Co",
    "Cs",        "L",         "Ll",          "Lm",          "Lo",
    "Lt",        "Lu",        "M",           "Mc",          "Me",
    "Mn",        "N",         "Nd",          "Nl",          "No",
    "P",         "Pc",        "Pd",          "Pe",          "Pf",
    "Pi",        "Po",        "Ps",          "S",           "Sc",
    "Sk",        "Sm",        "So",          "Z",           "Zl",
    "Zp",        "Zs",        "Any",         "Alphabetic",  "Emoji",
    "Lowercase", "Uppercase", "White_Space", "Ideographic", "Extended_Pictographic"};

// Letters that are one letter in the other case: "ss" is U+00DF for Oniguruma, not for PCRE2.
constexpr std::array<std::string_view, 5> kFolded = {"ss", "st", "ff", "fi", "fl"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view name) : pattern_(pattern), name_(name) {}

  std::string Run() {
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

  std::string_view Rest(size_t count = std::string_view::npos) const {
    return pattern_.substr(at_, count);
  }

  void Copy(size_t count) {
    out_.append(pattern_, at_, count);
    at_ += count;
  }

  // As Copy, of what an alternative begins after.
  void Begin(size_t count) {
    Copy(count);
    begin_ = at_;
  }

  // Writes `text` in place of the next `count` bytes.
  void Put(std::string_view text, size_t count) {
    out_.append(text);
    at_ += count;
  }

  void Escape() {
    if (at_ + 1 >= pattern_.size()) return Copy(1);  // PCRE2 refuses it, with the place
    const char c = pattern_[at_ + 1];
    if (!IsLetter(c) && !IsDigit(c)) return Copy(2);  // stands for itself
    switch (c) {
      case 'a':
      case 'd':
      case 'D':
      case 'e':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        return Copy(2);
      case 's':  // PCRE2's \s has U+180E, which is no white space since Unicode 6.3
        return Put("\\p{White_Space}", 2);
      case 'S':
        return Put("\\P{White_Space}", 2);
      case 'v':  // PCRE2's is a class
        return Put("\\x0B", 2);
      case 'w':
        return Set(in_class_ ? kWordInClass : kWord, false);
      case 'W':
        return Set(kWord, true);
      case 'h':
        return Set(kHex, false);
      case 'H':
        return Set(kHex, true);
      case 'p':
      case 'P':
        return Property();
      case 'u':
      case 'x':
        return CodePoint();
      case 'b':
        return in_class_ ? Copy(2) : Boundary("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))");
      case 'B':
        return Boundary("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))");
      case 'A':
      case 'N':
      case 'R':
      case 'X':
      case 'z':
      case 'Z':
        if (in_class_) Unsupported(Rest(2));
        return Copy(2);
      default:
        if (in_class_ || c < '1' || c > '9' ||
            (at_ + 2 < pattern_.size() && IsDigit(pattern_[at_ + 2]))) {
          Unsupported(Rest(2));
        }
        return Copy(2);  // what a group has matched
    }
  }

  void Set(std::string_view members, bool negated) {
    if (in_class_) {
      if (negated) Unsupported(Rest(2));
      out_.append(members);
    } else {
      out_.append(negated ? "[^" : "[").append(members).append("]");
    }
    at_ += 2;
  }

  void Boundary(std::string_view format) {
    if (in_class_) Unsupported(Rest(2));
    Put(fmt::format(fmt::runtime(format), kWord), 2);
  }

  // A script is that property itself; without sc: PCRE2 takes the characters' script extensions.
  void Property() {
    const size_t end = Rest().find('}');
    if (Rest().size() < 4 || Rest()[2] != '{' || end == std::string_view::npos)
      Unsupported(Rest(2));
    std::string_view name = Rest(end).substr(3);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const bool plain = std::all_of(name.begin(), name.end(),
                                   [](char c) { return IsLetter(c) || c == '_' || c == ' '; });
    if (!plain || name.empty()) Unsupported(Rest(end + 1));
    const bool common =
        std::find(kProperties.begin(), kProperties.end(), name) != kProperties.end();
    Put(fmt::format("\\{}{{{}{}{}}}", pattern_[at_ + 1], negated ? "^" : "",
                    common ? "" : "sc:", name),
        end + 1);
  }

  // \x41 (below 0x80: beyond, it is a byte of UTF-8 there), \x{1F600}, \u00E9.
  void CodePoint() {
    if (ignore_case_) Unsupported(fmt::format("(?i) and {}", Rest(2)));
    const bool is_u = pattern_[at_ + 1] == 'u';
    if (!is_u && Rest().size() > 2 && Rest()[2] == '{') return Copy(2);
    const std::string_view digits = Rest().substr(2, is_u ? 4 : 2);
    const bool hex = std::all_of(digits.begin(), digits.end(), IsHexDigit);
    if (digits.size() < (is_u ? 4u : 2u) || !hex || (!is_u && digits[0] > '7')) {
      Unsupported(Rest(2 + digits.size()));
    }
    Put(fmt::format("\\x{{{}}}", digits), 2 + digits.size());
  }

  void InClass() {
    const std::string_view rest = Rest();
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
    CheckFolding(rest);
    Copy(1);
  }

  // [a[bc]] is [abc].
  void ClassInClass(std::string_view rest) {
    if (rest.substr(0, 2) == "[:") {
      const size_t end = rest.find(":]");
      if (end != std::string_view::npos) return Posix(rest.substr(2, end - 2));
    }
    const bool plain = rest.size() > 1 && rest[1] != '^' && rest[1] != ']' && rest[1] != '-';
    if (nested_ || !plain || (!out_.empty() && out_.back() == '-')) Unsupported("[");
    nested_ = true;
    ++at_;
    class_begin_ = at_;
  }

  void Posix(std::string_view name) {
    const size_t size = name.size() + 4;
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    for (const PosixClass& posix : kPosixClasses) {
      const std::string_view members = negated ? posix.others : posix.members;
      if (posix.name == name && !members.empty()) return Put(members, size);
    }
    Unsupported(Rest(size));
  }

  void Outside() {
    const std::string_view rest = Rest();
    switch (rest[0]) {
      case '[':
        in_class_ = true;
        Copy(rest.substr(0, 2) == "[^" ? 2 : 1);
        class_begin_ = at_;  // a ] here stands for itself
        return;
      case '(':
        return Group(rest);
      case ')':
        if (!groups_.empty()) {
          ignore_case_ = groups_.back();
          groups_.pop_back();
        }
        return Copy(1);
      case '|':
        return Begin(1);
      case '{':
        return Interval(rest);
      default:
        CheckFolding(rest);
        return Copy(1);
    }
  }

  void Group(std::string_view rest) {
    if (rest.substr(0, 2) == "(*") Unsupported("(*");
    const bool before = ignore_case_;
    if (rest.substr(0, 2) != "(?") {
      groups_.push_back(before);
      return Begin(1);
    }
    for (const std::string_view head : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"}) {
      if (!rest.starts_with(head)) continue;
      groups_.push_back(before);
      return Begin(head.size());
    }
    if (rest.starts_with("(?<") && rest.size() > 3 && IsLetter(rest[3])) {
      groups_.push_back(before);
      return Begin(rest.find('>') == std::string_view::npos ? 3 : rest.find('>') + 1);
    }
    // (?i) and (?-i): within a group they hold up to its end, alternatives included, only there.
    const std::string_view flags =
        rest.substr(2, std::min(rest.find_first_of(":)"), rest.size()) - 2);
    const bool to_end = rest.substr(0, flags.size() + 3).ends_with(')');
    if ((flags != "i" && flags != "-i") || (to_end && at_ != begin_)) {
      Unsupported(rest.substr(0, std::min(rest.size(), flags.size() + 3)));
    }
    if (!to_end) groups_.push_back(before);
    ignore_case_ = flags == "i";
    Begin(flags.size() + 3);
  }

  // {2}+ and {2}? are the interval repeated or optional there, possessive and lazy in PCRE2.
  void Interval(std::string_view rest) {
    size_t i = 1;
    while (i < rest.size() && IsDigit(rest[i])) ++i;
    const bool from_zero = i == 1;
    const bool range = i < rest.size() && rest[i] == ',';
    if (range) ++i;
    const size_t comma = i;
    while (range && i < rest.size() && IsDigit(rest[i])) ++i;
    const bool closed = i < rest.size() && rest[i] == '}';
    if (!closed || (from_zero && i == comma)) return Copy(1);  // plain text
    const char next = i + 1 < rest.size() ? rest[i + 1] : '\0';
    if (next == '+' || (next == '?' && !range)) Unsupported(rest.substr(0, i + 2));
    if (from_zero) return Put(fmt::format("{{0{}", rest.substr(1, i)), i + 1);
    Copy(i + 1);
  }

  // Where case does not count, what Oniguruma takes for one character of another length.
  void CheckFolding(std::string_view rest) const {
    if (!ignore_case_) return;
    const Utf8Char c = DecodeUtf8(rest, 0);
    if (c.valid && c.code_point >= 0x80 && !IsPunctuation(c.code_point)) {
      Unsupported(fmt::format("(?i) and {}", rest.substr(0, c.length)));
    }
    if (in_class_ || rest.size() < 2) return;
    const std::array<char, 2> pair = {Lower(rest[0]), Lower(rest[1])};
    for (const std::string_view folded : kFolded) {
      if (std::string_view(pair.data(), 2) == folded)
        Unsupported(fmt::format("(?i) and {}", folded));
    }
  }

  std::string_view pattern_;
  std::string_view name_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
  bool nested_ = false;  // in a class of that class
  size_t class_begin_ = 0;
  size_t begin_ = 0;  // of the alternative that was begun last
  bool ignore_case_ = false;
  std::vector<bool> groups_;  // ignore_case_ of each open group before it
};

}  // namespace

std::string TranslatePattern(std::string_view pattern, std::string_view name) {
  return Translator(pattern, name).Run();
}

}  // namespace inference
