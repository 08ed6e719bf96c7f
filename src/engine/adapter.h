// Low-rank adapters of a loaded model: requests use them beside its weights, which stay as they
// are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/adapter_file.h"
#include "nn/lora.h"

namespace inference {

class Model;

struct NullAdapterOptions {
  uint64_t seed = 0;
  // Of A's and B's normal distribution: init_scale * sqrt(rank_scale). Both more than 0.
  double init_scale = 0.02, rank_scale = 1.0;
};

// Never changes once loaded: another version is another object, and what uses this one keeps it.
class Adapter {
 public:
  // Statuses as ReadAdapter; NUMERIC where a value times its scale is not finite; OOM_DEVICE.
  static std::shared_ptr<const Adapter> Load(std::shared_ptr<Model> model, const std::string& path,
                                             const AdapterReadOptions& options = {});
  // Noise with the layers, ranks and scales of `like`: a baseline for what its training did. The
  // same for the same seed. ARG.
  static std::shared_ptr<const Adapter> Null(const Adapter& like,
                                             const NullAdapterOptions& options = {});
  ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  const Model& model() const { return *model_; }
  const std::string& path() const { return path_; }      // of the tensors; "" of a null adapter
  const std::string& format() const { return format_; }  // "peft", "mlx-lm", "go-mlx" or "null"
  // Names what it does: the same for the same values and scales, whatever file they are from.
  const std::string& hash() const { return hash_; }
  uint64_t bytes() const { return bytes_; }            // on the device
  uint64_t parameters() const { return parameters_; }  // values of A and B
  int64_t layers() const { return layers_; }           // blocks with at least one module
  int64_t max_rank() const { return max_rank_; }
  // Adapted linear layers, without their values.
  std::span<const LoraModule> modules() const { return modules_; }
  const std::vector<BlockLora>& blocks() const { return blocks_; }

 private:
  Adapter(std::shared_ptr<Model> model, AdapterFile file, std::string format);

  const std::shared_ptr<Model> model_;
  std::string path_, format_, hash_;
  std::vector<LoraModule> modules_;
  std::vector<BlockLora> blocks_;
  uint64_t bytes_ = 0, parameters_ = 0;
  int64_t layers_ = 0, max_rank_ = 0;
};

struct AdapterUse {
  std::shared_ptr<const Adapter> adapter;
  float scale = 1.0f;
};

// What runs beside the base: any number of adapters, each with its scale; none is the base alone.
// In the order of their hashes, so that sets of the same effect have the same sums and key.
class AdapterSet {
 public:
  AdapterSet() = default;
  // Scales of the same adapter are summed; those of 0 are left out. ARG for a scale or sum that is
  // not finite, and for adapters of different models.
  explicit AdapterSet(std::vector<AdapterUse> uses);

  std::span<const AdapterUse> uses() const { return uses_; }
  // "hash:bits of the scale" of each, "" of the base: keys and values computed under one key are
  // worth nothing under another.
  const std::string& key() const { return key_; }
  // The set between the base (0) and this one (1), or beyond. ARG as the constructor.
  AdapterSet Scaled(float factor) const;
  void CheckModel(const Model& model) const;  // ARG for adapters of another one
  bool operator==(const AdapterSet& other) const { return key_ == other.key_; }

 private:
  std::vector<AdapterUse> uses_;
  std::string key_;
};

}  // namespace inference
