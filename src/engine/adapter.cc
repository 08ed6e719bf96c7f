#include "engine/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <optional>

#include "engine/model.h"
#include "models/adapter_blocks.h"
#include "util/error.h"

namespace inference {

namespace {

// SplitMix64's output function (Steele, Lea and Flood 2014): a number of its own for each counter.
uint64_t Mixed(uint64_t counter) {
  uint64_t x = (counter + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// `count` values of N(0, deviation); `stream` tells matrices of one seed apart. Box and Muller
// 1958.
std::vector<float> Noise(uint64_t seed, uint64_t stream, int64_t count, double deviation) {
  const uint64_t key = Mixed(seed ^ Mixed(stream));
  const auto uniform = [&](int64_t i) {  // in (0, 1)
    return (static_cast<double>(Mixed(key + static_cast<uint64_t>(i)) >> 11) + 0.5) * 0x1p-53;
  };
  std::vector<float> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const double radius = std::sqrt(-2.0 * std::log(uniform(2 * i)));
    out[static_cast<size_t>(i)] = static_cast<float>(
        deviation * radius * std::cos(2.0 * std::numbers::pi * uniform(2 * i + 1)));
  }
  return out;
}

void CheckPositive(const char* field, double value) {
  Require(value > 0.0 && std::isfinite(value), Status::kArg,
          "null adapter: {} is {}, want a positive number", field, value);
}

}  // namespace

Adapter::Adapter(std::shared_ptr<Model> model, AdapterFile file, std::string format)
    : model_(std::move(model)),
      path_(std::move(file.path)),
      format_(std::move(format)),
      hash_(std::move(file.hash)) {
  const CausalLm& network = model_->network();
  blocks_ = UploadAdapter(*model_->device(), file, network.dims(),
                          [&](int64_t layer) { return network.GateUpAlternates(layer); });
  for (const BlockLora& block : blocks_) bytes_ += block.bytes();
  modules_ = std::move(file.modules);
  std::optional<int64_t> layer;  // modules are sorted by it
  for (LoraModule& module : modules_) {
    parameters_ += module.A.size() + module.B.size();
    if (layer != module.layer) ++layers_;
    layer = module.layer;
    max_rank_ = std::max(max_rank_, module.rank);
    module.A = {};
    module.B = {};
  }
}

// What is recorded with its memory goes, too.
Adapter::~Adapter() {
  try {
    model_->executor().Forget(*this);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the device is lost, nothing runs on it any more
  }
}

std::shared_ptr<const Adapter> Adapter::Load(std::shared_ptr<Model> model, const std::string& path,
                                             const AdapterReadOptions& options) {
  AdapterFile file = ReadAdapter(path, model->network().dims(), options);
  ThrowIfCancelled(options.cancel, "adapter load");
  std::string format = NameOf(file.format);
  return std::shared_ptr<const Adapter>(
      new Adapter(std::move(model), std::move(file), std::move(format)));
}

std::shared_ptr<const Adapter> Adapter::Null(const Adapter& like,
                                             const NullAdapterOptions& options) {
  CheckPositive("init_scale", options.init_scale);
  CheckPositive("rank_scale", options.rank_scale);
  const double deviation = options.init_scale * std::sqrt(options.rank_scale);
  const ModelDims& dims = like.model_->network().dims();
  AdapterFile file;
  file.modules = like.modules_;
  uint64_t stream = 0;
  for (LoraModule& module : file.modules) {
    const LinearShape shape = ShapeOf(module.target, dims);
    module.A = Noise(options.seed, stream++, module.rank * shape.in, deviation);
    module.B = Noise(options.seed, stream++, shape.out * module.rank, deviation);
  }
  file.hash = HashOf(file.modules);
  return std::shared_ptr<const Adapter>(new Adapter(like.model_, std::move(file), "null"));
}

AdapterSet::AdapterSet(std::vector<AdapterUse> uses) {
  std::ranges::stable_sort(uses, {}, [](const AdapterUse& use) { return use.adapter->hash(); });
  for (AdapterUse& use : uses) {
    Require(uses_.empty() || &use.adapter->model() == &uses_[0].adapter->model(), Status::kArg,
            "adapters: {} was loaded for another model than the one before it",
            use.adapter->hash());
    if (!uses_.empty() && uses_.back().adapter->hash() == use.adapter->hash()) {
      uses_.back().scale += use.scale;
    } else {
      uses_.push_back(std::move(use));
    }
  }
  std::erase_if(uses_, [](const AdapterUse& use) { return use.scale == 0.0f; });
  for (const AdapterUse& use : uses_) {
    Require(std::isfinite(use.scale), Status::kArg,
            "adapters: the scale of {} is {}, want a finite number", use.adapter->hash(),
            use.scale);
    key_ += fmt::format("{}{}:{:08x}", key_.empty() ? "" : ",", use.adapter->hash(),
                        std::bit_cast<uint32_t>(use.scale));
  }
}

void AdapterSet::CheckModel(const Model& model) const {
  for (const AdapterUse& use : uses_) {
    Require(&use.adapter->model() == &model, Status::kArg,
            "adapters: {} was loaded for another model", use.adapter->hash());
  }
}

AdapterSet AdapterSet::Scaled(float factor) const {
  std::vector<AdapterUse> uses = uses_;
  for (AdapterUse& use : uses) use.scale *= factor;
  return AdapterSet(std::move(uses));
}

}  // namespace inference
