// LoRA adapters on disk (Hu et al. 2021), in the forms that PEFT, mlx-lm and go-mlx write, as one
// form in memory: W x becomes W x + scale B A x.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/adapter_config.h"
#include "models/adapter_names.h"
#include "nn/causal_lm.h"
#include "util/cancel.h"

namespace inference {

// One adapted linear layer of one block. Rows of B are in the order of Hugging Face's weights.
struct LoraModule {
  int64_t layer = 0;
  LoraTarget target = LoraTarget::kQ;
  int64_t rank = 0;
  float scale = 1.0f;    // alpha / r, alpha / sqrt(r), or what mlx-lm calls scale
  std::vector<float> A;  // [rank, in]
  std::vector<float> B;  // [out, rank]
};

struct AdapterFile {
  std::string path;  // of the tensors
  AdapterFormat format = AdapterFormat::kPeft;
  std::vector<LoraModule> modules;  // by layer, then by target; no two of the same
  // 32 hex digits that name what the adapter does: the same for the same values and scales, in
  // whatever form and types they are stored.
  std::string hash;
};

struct AdapterReadOptions {
  // Used where there is no adapter_config.json, and ARG where there is one.
  std::optional<float> scale;
  bool allow_symlinks = false;  // see Folder
  const CancelFlag* cancel = nullptr;
};

struct LinearShape {
  int64_t in = 0, out = 0;  // features
};

LinearShape ShapeOf(LoraTarget target, const ModelDims& dims);

std::string HashOf(const std::vector<LoraModule>& modules);  // AdapterFile::hash

// `path`: a folder with adapters.safetensors (mlx-lm), adapter_model.safetensors (PEFT) or
// adapter.safetensors (go-mlx), the first that is there, and adapter_config.json; or such a file
// itself, the config beside it. `dims`: of the base, which every shape is checked against.
// NOT_FOUND, PATH, IO, LIMIT; FORMAT or UNSUPPORTED naming file and tensor or field; NUMERIC for a
// value that is not finite.
AdapterFile ReadAdapter(const std::string& path, const ModelDims& dims,
                        const AdapterReadOptions& options = {});

}  // namespace inference
