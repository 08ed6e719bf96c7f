// A model folder with an adapter in its weights.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "util/cancel.h"

namespace inference {

struct MergeOptions {
  float scale = 1.0f;                  // on top of the adapter's own
  std::optional<float> adapter_scale;  // see AdapterReadOptions::scale
  bool allow_symlinks = false;         // see Folder; of both
  const CancelFlag* cancel = nullptr;
  // Bytes of weights done, of all; may throw to stop.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// Reads the safetensors folder `path` and writes the folder `out`, new or empty: the same files of
// weights with W + scale B A in place of W, summed in double and rounded once to W's type; config,
// index and what belongs to the tokenizer as they are. `out` appears when it is complete; after a
// failure there is nothing.
//
// UNSUPPORTED for a GGUF file and a quantised folder; NUMERIC where a value of the result is not
// finite; CANCELLED; and what ReadAdapter, NewFolder, reading and writing give.
void MergeAdapter(const std::string& path, const std::string& adapter, const std::string& out,
                  const MergeOptions& options);

}  // namespace inference
