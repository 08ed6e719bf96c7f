// Rows of one packed matrix, gathered from the tensors of a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "formats/tensor_set.h"
#include "tensor/packed.h"

namespace inference {

// A matrix of a checkpoint: one tensor, or MLX's words with their scales and biases (none for
// MXFP4).
struct StoredTensor {
  WeightFormat format;
  const TensorEntry* values = nullptr;
  const TensorEntry* scales = nullptr;
  const TensorEntry* biases = nullptr;
};

struct StoredRow {
  size_t tensor;  // index
  int64_t row;
};

// Row r of the matrix is row_of(r), as PackRowBlock wants it. All tensors have one format and row
// length; `tensors` and what it holds must outlive the result. NUMERIC where a scale is not finite.
RowSource GatherRows(const TensorSet& tensors, std::vector<StoredTensor> stored,
                     std::function<StoredRow(int64_t row)> row_of);

}  // namespace inference
