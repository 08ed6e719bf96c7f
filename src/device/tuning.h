// Which kernel computes a product, with what parameters, and what else may be chosen for a device
// without changing a bit of what it computes. The defaults below hold until `inference tune` has
// measured.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device/device_info.h"

namespace inference {

// Kernels of products on devices that are not CPUs (cl/).
enum class MatmulKernel {
  kEach,   // matmul_each: one output a work-item
  kLanes,  // matvec_group: a row's blocks side by side; types of blocks only
  kTiles,  // matmul_group: a tile a work-group
};
std::string_view MatmulKernelName(MatmulKernel kernel);

struct MatmulChoice {
  MatmulKernel kernel = MatmulKernel::kEach;
  int32_t lanes = 0;                              // kLanes: units of a row at once; 2 ... 16
  int32_t rows = 0, tokens = 0, item_tokens = 0;  // kTiles: of a tile, and tokens a work-item

  int32_t group() const;            // work-items
  uint64_t local_bytes() const;     // of local memory, at most
  bool IsValid(bool blocks) const;  // one that the kernels can be built for
  bool FitsDevice(const DeviceInfo& info) const;
  bool operator==(const MatmulChoice&) const = default;
};
std::string NameOf(const MatmulChoice& choice);  // "matmul_group 64x32, 4 tokens an item"

// Holds where a product is of this kind and not above these numbers.
struct MatmulRule {
  bool blocks = false;  // weights of a block-quantised type; false: F32, F16, BF16
  int64_t rows_up_to = 0, tokens_up_to = 0;
  MatmulChoice choice;

  bool operator==(const MatmulRule&) const = default;
};

constexpr int32_t kMaxPartsPerComputeUnit = 4;  // each part of a kernel has memory to work in

struct Tuning {
  // CPU devices: evens out cores that other processes slow down.
  int32_t parts_per_compute_unit = 2;
  std::vector<MatmulRule> matmul;  // the first that holds counts; none: DefaultMatmul

  // What the device runs a product with: kEach where nothing else fits it.
  MatmulChoice ForMatmul(const DeviceInfo& info, bool blocks, int64_t rows, int64_t tokens) const;
  bool operator==(const Tuning&) const = default;
};

MatmulChoice DefaultMatmul(bool blocks, int64_t tokens);

}  // namespace inference
