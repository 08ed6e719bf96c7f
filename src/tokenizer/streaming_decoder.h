// Text of a growing list of tokens, piece by piece.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tokenizer/decode.h"
#include "tokenizer/tokenizer.h"

namespace inference {

// All strings of Push and Flush together are Decode(all ids, skip_special). Each holds whole code
// points only; what may still change waits: bytes of a code point, a run of <0xXX> tokens.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true);

  std::string Push(int32_t id);  // ARG for an id out of range; the decoder stays as it was
  std::string Flush();           // ends the text; the next Push begins a new one

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  Decoder::Run run_;
};

}  // namespace inference
