// Rows of one packed matrix, gathered from the tensors of a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "formats/tensor_set.h"
#include "tensor/packed.h"

namespace inference {

struct StoredRow {
  size_t tensor;  // index
  int64_t row;
};

// Row r of the matrix is row_of(r), as stored. All tensors have one type and row length; `tensors`
// and what it holds must outlive the result. NUMERIC where a block's scale is not finite.
RowSource GatherRows(const TensorSet& tensors, std::vector<const TensorEntry*> entries,
                     std::function<StoredRow(int64_t row)> row_of);

}  // namespace inference
