// Text to token ids and back, as the model was trained with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "tokenizer/text_folder.h"
#include "util/cancel.h"

namespace inference {

struct EncodeOptions {
  bool add_special = true;    // what the post-processor / add_bos_token says
  bool parse_special = true;  // special tokens written in the text are recognised
  bool is_prompt = false;     // what add_special puts first is not put before a text that begins so
  const CancelFlag* cancel = nullptr;  // may be null
};

struct TokenizerParts;
class Decoder;

class Tokenizer {  // immutable, thread-safe
 public:
  static constexpr size_t kMaxTextBytes = size_t{64} << 20;

  explicit Tokenizer(std::unique_ptr<const TokenizerParts> parts);  // made by the loaders below
  ~Tokenizer();

  // Any bytes: each maximal invalid part of UTF-8 counts as U+FFFD. LIMIT past kMaxTextBytes, or
  // where the parts make too much of the text or a pattern takes too many steps (text_work.h); ARG
  // for a character that no token covers; CANCELLED, soon after the flag is set.
  std::vector<int32_t> Encode(std::string_view text, const EncodeOptions& options) const;

  // Always valid UTF-8; ARG for an id out of range; LIMIT past kMaxNormalizedBytes. Nothing is
  // cleaned up afterwards (clean_up_tokenization_spaces of tokenizer_config.json is not looked at).
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;

  // The bytes that this token adds in the middle of a text, perhaps part of a code point; "" for
  // special ids. ARG for an id out of range, as TokenText and IsSpecial.
  std::string TokenBytes(int32_t id) const;
  std::string_view TokenText(int32_t id) const;  // as in the vocabulary: "Ġthe", "<0x0A>", "<bos>"
  bool IsSpecial(int32_t id) const;

  int32_t vocab_size() const;
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  std::string bos_text() const;  // for chat templates; "" where there is none
  std::string eos_text() const;
  const std::vector<int32_t>& end_ids() const;  // sorted: every id that ends generated text
  bool IsEnd(int32_t id) const;                 // false for an id out of range

  const Decoder& decoder() const;

 private:
  void CheckId(int32_t id) const;

  std::unique_ptr<const TokenizerParts> parts_;
};

// Reads tokenizer.json, and for bos, eos and the ids that end text tokenizer_config.json,
// special_tokens_map.json and generation_config.json where they are there. `truncation` and
// `padding` are ignored. What is not supported is UNSUPPORTED, naming file and part.
std::shared_ptr<const Tokenizer> LoadTokenizerFolder(const TextFolder& folder);

// Reads tokenizer.ggml.*: model "gpt2" (byte-level BPE) and "llama" (SentencePiece BPE).
std::shared_ptr<const Tokenizer> LoadTokenizerGguf(const GgufMetadata& metadata);

}  // namespace inference
