// From named tensors of a checkpoint to weights on the device, counted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "models/checkpoint.h"
#include "models/tensor_finder.h"
#include "nn/causal_lm.h"
#include "tensor/packed.h"
#include "tensor/tensor.h"

namespace inference {

// A matrix as stored: [rows, columns of whatever it becomes a part of].
struct StoredMatrix {
  std::string name;  // "....weight"; the bias is its neighbour "....bias"
  int64_t rows = 0;
  bool has_bias = false;
  // Where it is a part of a stored matrix: its first row there, and all rows there are.
  int64_t first_row = 0, stored_rows = 0;
  // Not 0: rows of heads of this width alternate between the halves (0, E/2, 1, E/2 + 1, ...), as
  // llama.cpp stores the queries and keys of Llama. Loaded in the order of the paper's halves.
  int64_t interleaved_head_dim = 0;
};

// Every call checks shapes and types and fails with FORMAT or UNSUPPORTED, naming file and tensor;
// NUMERIC where a scale of a quantised block is not finite. Not on the submission thread.
//
// Without a device no matrix is read, nothing allocated: what would be loaded is checked and
// counted.
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
               const ModelLoadHooks& hooks);
  const std::string& path() const { return checkpoint_->path; }

  // [size] as float32 with `offset` added to each value.
  Tensor Vector(const std::string& name, int64_t size, float offset = 0.0f);
  std::vector<float> HostVector(const std::string& name, int64_t size);  // always read
  bool Has(const std::string& name) const { return finder_.Has(name); }

  PackedMatrix Matrix(const StoredMatrix& matrix, int64_t columns);
  // On top of each other; one matrix for each run of equal formats.
  std::vector<PackedMatrix> Stack(const std::vector<StoredMatrix>& matrices, int64_t columns);
  // Blocks of 16 rows, gate and up in turn. Possible where their formats agree and their rows are a
  // multiple of 16.
  bool CanInterleave(const StoredMatrix& gate, const StoredMatrix& up, int64_t columns);
  PackedMatrix GateUp(const StoredMatrix& gate, const StoredMatrix& up, int64_t columns);

  // A table of which a token reads one row.
  PackedMatrix Embedding(const std::string& name, int64_t rows, int64_t columns);
  // The output matrix: its own, or the table. `tied` is what the config says, if anything.
  PackedMatrix Head(const std::string& name, const PackedMatrix& embedding,
                    std::optional<bool> tied);

  Tensor Upload(const std::vector<float>& values);

  // After everything is loaded: reports the end and gives the counts. UNSUPPORTED where the
  // checkpoint has a bias under `prefix` that nothing asked for: results would be wrong without it.
  WeightStats Finish(const std::string& prefix);
  // All that was loaded to the device.
  std::vector<WeightBytes> TakeWeights() { return std::move(weights_); }

 private:
  using RowMap = std::function<StoredRow(int64_t row)>;  // row of the result to matrix and row
  StoredTensor GetMatrix(const StoredMatrix& matrix, int64_t columns);
  PackedMatrix Pack(const std::vector<StoredMatrix>& matrices, int64_t rows, int64_t columns,
                    const RowMap& row_of);
  Buffer PackBias(const std::vector<StoredMatrix>& matrices, int64_t rows, const RowMap& row_of);
  PackedMatrix PackStack(const std::vector<StoredMatrix>& matrices, int64_t columns);
  Buffer Write(const std::vector<float>& values);
  void CountBlock(const PackedMatrix& matrix);
  void Done(const TensorEntry& entry);

  const Checkpoint* checkpoint_;
  std::shared_ptr<Device> device_;
  ModelLoadHooks hooks_;
  TensorFinder finder_;
  uint64_t done_bytes_ = 0, total_bytes_;
  std::unordered_set<const TensorEntry*> done_;
  std::vector<std::pair<WeightFormat, uint64_t>> values_of_format_;  // of the blocks' matrices
  WeightStats stats_;
  std::vector<WeightBytes> weights_;
};

}  // namespace inference
