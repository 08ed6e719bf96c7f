// One pass over JSON text: what the readers of JSON share. Used inside src/formats only.
#pragma once

#include <iterator>
#include <string>
#include <string_view>

#include "formats/json.h"
#include "util/error.h"

namespace inference {

// Its events are nlohmann's SAX events; the parser keeps its own stack on the heap, so that deep
// input costs no thread stack. Syntax, UTF-8 and number range errors are FORMAT.
class JsonScan : public nlohmann::json_sax<Json> {
 public:
  JsonScan(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  void Run();

 protected:
  // Fails with "NAME: line L, column C: MESSAGE", the position being that of the current event's
  // end.
  [[noreturn]] void FailHere(Status status, std::string_view message) const;

  bool binary(binary_t& value) final;  // not in JSON
  bool parse_error(size_t position, const std::string& last_token,
                   const nlohmann::detail::exception& error) final;

 private:
  class Iterator;

  [[noreturn]] void FailAt(Status status, size_t offset, std::string_view message) const;

  std::string_view text_;
  std::string_view name_;
  size_t consumed_ = 0;  // bytes the parser has taken, one of them read ahead at most
};

}  // namespace inference
