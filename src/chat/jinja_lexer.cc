#include "chat/jinja_lexer.h"

#include <array>
#include <optional>

#include "chat/jinja_fault.h"
#include "chat/jinja_literals.h"
#include "chat/jinja_text.h"
#include "util/error.h"

namespace inference::jinja {

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsNameStart(char c) {  // any byte past ASCII: names may be in any script
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::deque<std::string>& texts) : source_(source), texts_(texts) {}

  std::vector<Token> Run() {
    while (at_ < source_.size()) LexText();
    Push(TokenKind::kEnd, at_, {});
    return std::move(tokens_);
  }

 private:
  bool Starts(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  void SkipSpace() { at_ = source_.size() - StripLeft(source_.substr(at_)).size(); }
  void SkipNewline() {
    if (Starts("\n")) ++at_;
  }
  void Push(TokenKind kind, size_t offset, std::string_view text) {
    tokens_.push_back(Token{kind, offset, text});
  }

  // The '-' or '+' after an opening tag; 0 where there is none.
  char TakeSign() {
    if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) return source_[at_++];
    return 0;
  }

  void LexText();
  void PushText(size_t begin, size_t end, char sign, bool variable);
  bool LexRaw();
  std::optional<size_t> RawTagEnd(size_t at, std::string_view word, bool trim) const;
  void LexComment();
  void LexTag(TokenKind end_kind);
  bool LexTagEnd(TokenKind end_kind);
  void LexString();
  void LexOperator();

  std::string_view source_;
  std::deque<std::string>& texts_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  bool line_starting_ = true;   // the last tag ended with a newline
  std::vector<char> brackets_;  // closing brackets that are due
  size_t tag_offset_ = 0;
};

// Text up to the next tag, and that tag.
void Lexer::LexText() {
  const size_t begin = at_;
  size_t open = begin;
  for (;; ++open) {
    open = source_.find('{', open);
    if (open == std::string_view::npos || open + 1 >= source_.size()) {
      if (begin < source_.size()) Push(TokenKind::kText, begin, source_.substr(begin));
      at_ = source_.size();
      return;
    }
    const char next = source_[open + 1];
    if (next == '%' || next == '{' || next == '#') break;
  }
  const char tag = source_[open + 1];
  at_ = open + 2;
  tag_offset_ = open;
  const char sign = TakeSign();
  PushText(begin, open, sign, tag == '{');
  if (tag == '#') {
    LexComment();
  } else if (tag == '{') {
    Push(TokenKind::kVariableBegin, open, {});
    LexTag(TokenKind::kVariableEnd);
  } else if (!LexRaw()) {
    Push(TokenKind::kBlockBegin, open, {});
    LexTag(TokenKind::kBlockEnd);
  }
  line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
}

void Lexer::PushText(size_t begin, size_t end, char sign, bool variable) {
  std::string_view text = source_.substr(begin, end - begin);
  if (sign == '-') {
    text = StripRight(text);
  } else if (sign == 0 && !variable) {  // lstrip_blocks: the tag's indentation
    const size_t newline = text.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if ((line > 0 || line_starting_) && StripLeft(text.substr(line)).empty()) {
      text = text.substr(0, line);
    }
  }
  if (!text.empty()) Push(TokenKind::kText, begin, text);
}

// Past "SPACE word SPACE %}" at `at`, the closing form included; nothing where it is not there.
std::optional<size_t> Lexer::RawTagEnd(size_t at, std::string_view word, bool trim) const {
  const auto skip_space = [&](size_t from) {
    return source_.size() - StripLeft(source_.substr(from)).size();
  };
  at = skip_space(at);
  if (!source_.substr(at).starts_with(word)) return std::nullopt;
  at = skip_space(at + word.size());
  const std::string_view rest = source_.substr(at);
  if (rest.starts_with("-%}")) return skip_space(at + 3);
  if (trim && rest.starts_with("+%}")) return at + 3;
  if (!rest.starts_with("%}")) return std::nullopt;
  at += 2;
  return trim && source_.substr(at).starts_with("\n") ? at + 1 : at;
}

bool Lexer::LexRaw() {
  const std::optional<size_t> begin = RawTagEnd(at_, "raw", /*trim=*/false);
  if (!begin) return false;
  line_starting_ = source_[*begin - 1] == '\n';
  for (size_t open = source_.find("{%", *begin); open != std::string_view::npos;
       open = source_.find("{%", open + 1)) {
    at_ = open + 2;
    const char sign = TakeSign();
    if (const std::optional<size_t> end = RawTagEnd(at_, "endraw", /*trim=*/true)) {
      PushText(*begin, open, sign, /*variable=*/false);
      at_ = *end;
      return true;
    }
  }
  RaiseAt(tag_offset_, "raw block is not closed");
}

void Lexer::LexComment() {
  // A sign that opens the comment may also be the one that closes it: {#-#}.
  const size_t close = source_.find("#}", at_);
  if (close == std::string_view::npos) RaiseAt(tag_offset_, "comment is not closed");
  const char sign = close > at_ ? source_[close - 1] : 0;
  at_ = close + 2;
  if (sign == '-') SkipSpace();
  if (sign != '-' && sign != '+') SkipNewline();
}

bool Lexer::LexTagEnd(TokenKind end_kind) {
  const bool block = end_kind == TokenKind::kBlockEnd;
  const std::string_view close = block ? "%}" : "}}";
  const size_t offset = at_;
  const char sign = Starts("-") || (block && Starts("+")) ? source_[at_] : 0;
  if (!source_.substr(at_ + (sign != 0 ? 1 : 0)).starts_with(close)) return false;
  at_ += sign != 0 ? 3 : 2;
  if (sign == '-') SkipSpace();
  if (block && sign == 0) SkipNewline();  // trim_blocks
  Push(end_kind, offset, {});
  return true;
}

void Lexer::LexTag(TokenKind end_kind) {
  brackets_.clear();
  while (at_ < source_.size()) {
    SkipSpace();
    if (at_ >= source_.size()) break;
    if (brackets_.empty() && LexTagEnd(end_kind)) return;
    const char c = source_[at_];
    if (IsDigit(c)) {
      tokens_.push_back(ReadNumber(source_, at_));
      at_ += tokens_.back().text.size();
    } else if (IsNameStart(c)) {
      const size_t begin = at_;
      while (at_ < source_.size() && (IsNameStart(source_[at_]) || IsDigit(source_[at_]))) ++at_;
      Push(TokenKind::kName, begin, source_.substr(begin, at_ - begin));
    } else if (c == '\'' || c == '"') {
      LexString();
    } else {
      LexOperator();
    }
  }
  RaiseAt(tag_offset_, "tag is not closed, wanted '{}'",
          end_kind == TokenKind::kBlockEnd ? "%}" : "}}");
}

void Lexer::LexString() {
  const size_t begin = at_;
  const char quote = source_[at_];
  size_t end = begin + 1;
  bool escapes = false;
  while (end < source_.size() && source_[end] != quote) {
    const bool escape = source_[end] == '\\';
    escapes = escapes || escape;
    end += escape ? 2 : 1;
  }
  if (end >= source_.size()) RaiseAt(begin, "string is not closed, wanted {}", quote);
  const std::string_view body = source_.substr(begin + 1, end - begin - 1);
  at_ = end + 1;
  if (!escapes) return Push(TokenKind::kString, begin, body);
  Push(TokenKind::kString, begin, texts_.emplace_back(Unescape(body, begin + 1)));
}

void Lexer::LexOperator() {
  static constexpr std::array<std::string_view, 26> kOperators = {
      "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
  for (const std::string_view op : kOperators) {
    if (!Starts(op)) continue;
    if (op == "(") brackets_.push_back(')');
    if (op == "[") brackets_.push_back(']');
    if (op == "{") brackets_.push_back('}');
    if (op == ")" || op == "]" || op == "}") {
      if (brackets_.empty()) RaiseAt(at_, "unexpected '{}'", op);
      if (brackets_.back() != op[0]) {
        RaiseAt(at_, "unexpected '{}', wanted '{}'", op, brackets_.back());
      }
      brackets_.pop_back();
    }
    Push(TokenKind::kOperator, at_, source_.substr(at_, op.size()));
    at_ += op.size();
    return;
  }
  RaiseAt(at_, "unexpected character {}", Quote(source_.substr(at_, CharLength(source_, at_))));
}

}  // namespace

std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<Token> Tokenize(std::string_view source, std::deque<std::string>& texts) {
  return Lexer(source, texts).Run();
}

}  // namespace inference::jinja
