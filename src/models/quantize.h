// A model folder made smaller: its matrices quantised as mlx_lm.convert does it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "util/cancel.h"

namespace inference {

struct QuantizeOptions {
  int bits = 4;    // 2, 3, 4, 5, 6 or 8
  int group = 64;  // columns that share a scale: 32, 64 or 128
  bool allow_symlinks = false;
  const CancelFlag* cancel = nullptr;
  // Bytes of weights done, of all; may throw to stop.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// Reads the safetensors folder `path` and writes the folder `out`, new or empty: config.json with
// the "quantization" block, model*.safetensors of up to 5 GiB with their index, and what belongs to
// the tokenizer. Words, scales and biases are those of MLX, bit for bit. A matrix whose rows are
// not whole groups stays as it is, as do all vectors; parts that the text model does not use (a
// vision tower, a tied head) are left out. `out` appears when it is complete; after a failure there
// is nothing.
//
// ARG for other bits or groups; UNSUPPORTED for a folder that is quantised already; NUMERIC for a
// value that is not finite, as it is or in the type of the result; CANCELLED; and what NewFolder,
// reading and writing give.
void QuantizeFolder(const std::string& path, const std::string& out,
                    const QuantizeOptions& options);

}  // namespace inference
