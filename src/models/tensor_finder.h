// Tensors of a checkpoint by name, checked against what a model wants of them.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "models/checkpoint.h"
#include "models/quantization.h"
#include "models/stored_rows.h"

namespace inference {

// Every call fails with FORMAT or UNSUPPORTED, naming file and tensor.
class TensorFinder {
 public:
  explicit TensorFinder(const Checkpoint& checkpoint);

  bool Has(const std::string& name) const { return checkpoint_->tensors.Find(name) != nullptr; }
  const TensorEntry& Get(const std::string& name, const std::vector<int64_t>& shape);
  // A plain or quantised matrix "....weight". MLX's have scales and biases beside it.
  StoredTensor GetMatrix(const std::string& name, int64_t rows, int64_t columns);

  // "FILE: tensor NAME", for messages.
  std::string Where(const TensorEntry& entry) const;
  // UNSUPPORTED where there is a bias under `prefix` that nobody asked for: results would be wrong.
  void RefuseUnusedBiases(const std::string& prefix) const;

 private:
  const TensorEntry& Find(const std::string& name, const std::string& expected);
  StoredTensor GetQuantized(const TensorEntry& words, int64_t rows, int64_t columns);

  const Checkpoint* checkpoint_;
  Quantization quantization_;
  std::unordered_set<std::string> asked_for_;
};

}  // namespace inference
