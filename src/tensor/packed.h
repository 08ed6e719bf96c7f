// A weight matrix in the layout of cl/weights.cl: sixteen rows interleaved, values as stored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "device/device.h"
#include "tensor/weight_format.h"

namespace inference {

struct PackedMatrix {
  WeightFormat format;
  int64_t rows = 0;  // output features, O
  int64_t cols = 0;  // input features, I
  Buffer data;
  Buffer bias;  // float32 of whole row blocks, or empty: what the products begin with

  explicit operator bool() const { return static_cast<bool>(data); }
  uint64_t bytes() const { return data.size(); }
};

// Bytes of sixteen rows of `cols` values, packed.
uint64_t RowBlockBytes(const WeightFormat& format, int64_t cols);

// Bytes of `rows` x `cols` packed, with what kernels may read past the end; LIMIT where that
// overflows.
uint64_t PackedBytes(const WeightFormat& format, int64_t rows, int64_t cols);

// The same without what may be read past the end.
uint64_t PackedBlockBytes(const WeightFormat& format, int64_t rows, int64_t cols);

// Packs sixteen rows of `cols` values, each of StoredRowBytes (a null pointer is a row of zeros),
// to RowBlockBytes(format, cols) bytes at `out`.
void PackRowBlock(const WeightFormat& format, int64_t cols,
                  std::span<const std::byte* const, 16> rows, std::byte* out);

// Gives the stored bytes of rows [first, first + count) of a matrix. Called from several threads;
// `scratch` belongs to the calling thread and may hold the bytes that the result points into.
using RowSource = std::function<void(int64_t first, int64_t count, std::vector<std::byte>& scratch,
                                     const std::byte** rows)>;

// Packs a whole matrix into device memory, several row blocks at a time; FORMAT where rows are not
// whole blocks. Not on the submission thread.
PackedMatrix PackMatrix(Device& device, const WeightFormat& format, int64_t rows, int64_t cols,
                        const RowSource& source);

}  // namespace inference
