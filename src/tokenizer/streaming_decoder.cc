#include "tokenizer/streaming_decoder.h"

namespace inference {

StreamingDecoder::StreamingDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special), run_(tokenizer_->decoder()) {}

std::string StreamingDecoder::Push(int32_t id) {
  std::string text;
  if (tokenizer_->IsSpecial(id) && skip_special_) return text;
  run_.Push(tokenizer_->TokenText(id), text);
  return text;
}

std::string StreamingDecoder::Flush() {
  std::string text;
  run_.Flush(text);
  return text;
}

}  // namespace inference
