// How GGUF's tokenizer.ggml.pre names cut text into words, for byte-level BPE.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalize.h"
#include "tokenizer/pretokenize.h"

namespace inference {

struct GgufPre {
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  bool ignore_merges = false;
  bool add_bos = false;  // where tokenizer.ggml.add_bos_token is absent
};

// UNSUPPORTED naming file and `pre` where the name is not known.
GgufPre FindGgufPre(std::string_view pre, const std::string& path);

}  // namespace inference
