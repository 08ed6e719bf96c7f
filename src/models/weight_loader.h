// From named tensors of a checkpoint to weights on the device, counted.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "models/checkpoint.h"
#include "models/stored_rows.h"
#include "tensor/packed.h"
#include "tensor/tensor.h"

namespace inference {

// A matrix as stored: [rows, columns of whatever it becomes a part of].
struct StoredMatrix {
  std::string name;
  int64_t rows = 0;
  // Not 0: rows of heads of this width alternate between the halves (0, E/2, 1, E/2 + 1, ...), as
  // llama.cpp stores the queries and keys of Llama. Loaded in the order of the paper's halves.
  int64_t interleaved_head_dim = 0;
};

// Every call checks shapes and types and fails with FORMAT or UNSUPPORTED, naming file and tensor;
// NUMERIC where a scale of a quantised block is not finite. Not on the submission thread.
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
               const ModelLoadHooks& hooks);

  // [size] as float32 with `offset` added to each value.
  Tensor Vector(const std::string& name, int64_t size, float offset = 0.0f);
  std::vector<float> HostVector(const std::string& name, int64_t size);
  bool Has(const std::string& name) const { return checkpoint_->tensors.Find(name) != nullptr; }

  PackedMatrix Matrix(const StoredMatrix& matrix, int64_t columns);
  // On top of each other; one matrix for each run of equal types.
  std::vector<PackedMatrix> Stack(const std::vector<StoredMatrix>& matrices, int64_t columns);
  // Blocks of 16 rows, gate and up in turn. UNSUPPORTED where their types differ, or `rows` (of
  // each) is not a multiple of 16.
  PackedMatrix GateUp(const std::string& gate, const std::string& up, int64_t rows,
                      int64_t columns);

  // A table of which a token reads one row.
  PackedMatrix Embedding(const std::string& name, int64_t rows, int64_t columns);
  // The output matrix: its own, or the table. `tied` is what the config says, if anything.
  PackedMatrix Head(const std::string& name, const PackedMatrix& embedding,
                    std::optional<bool> tied);

  Tensor Upload(const std::vector<float>& values);

  // After everything is loaded: reports the end and gives the counts. UNSUPPORTED where the
  // checkpoint has a bias under `prefix` that nothing asked for: results would be wrong without it.
  WeightStats Finish(const std::string& prefix);

 private:
  using Entries = std::vector<const TensorEntry*>;
  const TensorEntry& Get(const std::string& name, const std::vector<int64_t>& shape);
  const TensorEntry& GetMatrix(const std::string& name, int64_t rows, int64_t columns);
  PackedMatrix Pack(const Entries& entries, int64_t rows, int64_t columns,
                    std::function<StoredRow(int64_t)> row_of);
  PackedMatrix PackStack(const std::vector<StoredMatrix>& matrices, const Entries& entries,
                         int64_t columns);
  void CountBlock(const PackedMatrix& matrix);
  void Done(const TensorEntry& entry);

  const Checkpoint* checkpoint_;
  std::shared_ptr<Device> device_;
  ModelLoadHooks hooks_;
  uint64_t done_bytes_ = 0, total_bytes_;
  std::unordered_set<std::string> used_;
  std::array<uint64_t, 256> values_of_type_{};  // of the blocks' matrices, by DType
  WeightStats stats_;
};

}  // namespace inference
