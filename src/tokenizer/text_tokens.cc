#include "tokenizer/text_tokens.h"

#include <fmt/format.h>

namespace inference {

std::vector<int32_t> TextTokens::FindByteTokens() const {
  std::vector<int32_t> ids;
  for (int byte = 0; byte < 256; ++byte) {
    ids.push_back(Find(fmt::format("<0x{:02X}>", byte)).value_or(-1));
  }
  return ids;
}

}  // namespace inference
