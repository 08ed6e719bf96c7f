// Token texts back to text: the decoders of tokenizer.json, each a stage that takes one token at a
// time, so that decoding a whole list and streaming are the same code.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalize.h"

namespace inference {

struct DecoderStep {
  enum class Kind {
    kReplace,
    kByteFallback,
    kFuse,
    kStrip,
    kMetaspace,
    kByteLevel,
    kJoin,
    kWordPiece,
    kSuffix,
    kCtc
  };
  Kind kind = Kind::kFuse;
  std::optional<Replacement> replacement;  // kReplace
  // kStrip: one code point. kMetaspace, kSuffix (BPEDecoder): what becomes a space, of kSuffix
  // nothing at the end. kWordPiece: what says that no space precedes. kCtc: the padding token.
  std::string content;
  uint64_t strip_start = 0;  // kStrip: code points
  uint64_t strip_stop = 0;
  bool drop_first = false;     // kMetaspace: of the first token
  bool cleanup = false;        // kWordPiece, kCtc: no space before punctuation
  std::string word_delimiter;  // kCtc with cleanup: what becomes a space
};

class Decoder {  // immutable, thread-safe
 public:
  // `name` (file and part) begins every message. UNSUPPORTED where a step that needs single tokens
  // follows one that joins them.
  Decoder(std::vector<DecoderStep> steps, std::string_view name);

  // One text being decoded. The decoder must outlive it.
  class Run {
   public:
    explicit Run(const Decoder& decoder) : decoder_(&decoder), states_(decoder.steps_.size()) {}
    // Appends to `out` what is certain once this token is known: whole code points only. LIMIT
    // where `out` grows past kMaxNormalizedBytes, or a pattern takes too many steps.
    void Push(std::string_view token, std::string& out) { Feed(0, std::string(token), out); }
    // Appends what was held back; the run begins anew.
    void Flush(std::string& out);

   private:
    struct State {
      bool seen_token = false;
      uint64_t stripped = 0;  // kStrip after a join: code points taken off the front
      bool in_text = false;   // kStrip after a join: something else came
      // Bytes of kByteFallback and kByteLevel, the tail of kStrip, the last token of kSuffix (not
      // given on yet) and of kCtc (given on already).
      std::string pending;
    };
    void Feed(size_t index, std::string token, std::string& out);
    void FeedFused(size_t index, std::string_view chunk, std::string& out);
    void FlushBytes(size_t index, std::string& out);

    const Decoder* decoder_;
    std::vector<State> states_;
    TextWork work_;
  };

  // What `token` adds in the middle of a text; may be part of a code point.
  std::string BytesOf(std::string_view token) const;

 private:
  std::vector<DecoderStep> steps_;
  std::vector<bool> fused_;  // whether the step gets pieces of one joined token
};

}  // namespace inference
