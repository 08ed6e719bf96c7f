#include "formats/json_scan.h"

#include <algorithm>
#include <cstddef>

namespace inference {

// Reads text and tells how far it came, which SAX events do not.
class JsonScan::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Iterator(std::string_view text, size_t at, size_t* consumed)
      : text_(text.data()), at_(at), consumed_(consumed) {}
  reference operator*() const { return text_[at_]; }
  Iterator& operator++() {
    *consumed_ = ++at_;
    return *this;
  }
  bool operator==(const Iterator& other) const { return at_ == other.at_; }
  bool operator!=(const Iterator& other) const { return at_ != other.at_; }

 private:
  const char* text_;
  size_t at_;
  size_t* consumed_;
};

void JsonScan::Run() {
  consumed_ = 0;
  // The parser would skip a byte order mark and take a NUL for the end of the text.
  if (text_.starts_with("\xEF\xBB\xBF")) FailAt(Status::kFormat, 0, "byte order mark before JSON");
  const size_t nul = text_.find('\0');
  if (nul != std::string_view::npos) FailAt(Status::kFormat, nul, "NUL byte in JSON");
  nlohmann::json_sax<Json>* events = this;
  Json::sax_parse(Iterator(text_, 0, &consumed_), Iterator(text_, text_.size(), &consumed_),
                  events);
}

void JsonScan::FailHere(Status status, std::string_view message) const {
  FailAt(status, consumed_ == 0 ? 0 : consumed_ - 1, message);
}

void JsonScan::FailAt(Status status, size_t offset, std::string_view message) const {
  const std::string_view before = text_.substr(0, std::min(offset, text_.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0: the first line
  Fail(status, "{}: line {}, column {}: {}", name_, line, before.size() - line_start + 1, message);
}

bool JsonScan::binary(binary_t&) { FailHere(Status::kInternal, "binary value in JSON"); }

bool JsonScan::parse_error(size_t position, const std::string& last_token,
                           const nlohmann::detail::exception& error) {
  constexpr int kNumberOverflow = 406;
  constexpr size_t kShown = 40;
  const size_t offset = position == 0 ? 0 : position - 1;
  const std::string near =
      offset >= text_.size()
          ? "the end"
          : Quote(std::string_view(last_token)
                      .substr(last_token.size() - std::min(last_token.size(), kShown)));
  if (error.id == kNumberOverflow) {
    FailAt(Status::kFormat, offset, "number out of range at " + near);
  }
  // "[...] parse error at line 1, column 2: syntax error ...; last read: '...'"
  std::string_view what = error.what();
  what.remove_prefix(std::min(what.find("syntax error"), what.size()));
  what = what.substr(0, what.find("; last read"));
  FailAt(Status::kFormat, offset, fmt::format("{} at {}", what, near));
}

}  // namespace inference
