// A Runtime's list of models, and its metrics as JSON.
#include <utility>

#include "engine/model.h"
#include "engine/runtime.h"
#include "formats/json.h"

namespace inference {

namespace {

OrderedJson LimitJson(uint64_t bytes) {
  return bytes == kNoLimit ? OrderedJson(nullptr) : OrderedJson(bytes);
}

OrderedJson RequestsJson(const RequestMetrics& sum) {
  return {{"requests", sum.requests},
          {"cancelled", sum.cancelled},
          {"failed", sum.failed},
          {"prompt_tokens", sum.prompt_tokens},
          {"cached_tokens", sum.cached_tokens},
          {"generated_tokens", sum.generated_tokens},
          {"prefill_ns", sum.prefill_ns},
          {"decode_ns", sum.decode_ns},
          {"total_ns", sum.total_ns},
          {"prefill_tok_s", sum.prefill_tok_s()},
          {"decode_tok_s", sum.decode_tok_s()}};
}

// null: there is none.
OrderedJson PrefixCacheJson(const Model* model) {
  if (model == nullptr || model->prefix_cache() == nullptr) return nullptr;
  const PrefixCacheStats stats = model->prefix_cache()->stats();
  return {{"limit_bytes", stats.limit},  {"bytes", stats.bytes},   {"blocks", stats.blocks},
          {"hits", stats.hits},          {"misses", stats.misses}, {"hit_tokens", stats.hit_tokens},
          {"evictions", stats.evictions}};
}

OrderedJson ModelJson(const ListedModel& listed) {
  const std::shared_ptr<Model> model = listed.model.lock();  // null while it is loading
  const StepCounts steps = model ? model->executor().counts() : StepCounts{};
  return {{"path", listed.path},
          {"architecture", listed.architecture},
          {"device", listed.device},
          {"weight_bytes", listed.weight_bytes},
          {"kv_bytes", model ? model->executor().cache()->bytes() : 0},
          {"kv_used_bytes", model ? model->executor().cache()->used_bytes() : 0},
          {"steps", steps.steps},
          {"shared_steps", steps.shared_steps},
          {"prefix_cache", PrefixCacheJson(model.get())}};
}

OrderedJson DeviceJson(const DeviceInfo& info, const MemoryStats& memory,
                       const ProgramStats& programs) {
  return {{"name", info.name},
          {"active_bytes", memory.active},
          {"cached_bytes", memory.cached},
          {"peak_bytes", memory.peak},
          {"limit_bytes", LimitJson(memory.limit)},
          {"cache_limit_bytes", LimitJson(memory.cache_limit)},
          {"programs_built", programs.built},
          {"programs_loaded", programs.loaded},
          {"programs_ns", programs.nanoseconds}};
}

}  // namespace

ModelListing& ModelListing::operator=(ModelListing&& other) noexcept {
  std::swap(runtime_, other.runtime_);
  std::swap(number_, other.number_);
  return *this;
}

ModelListing::~ModelListing() {
  if (runtime_ == nullptr) return;
  const std::lock_guard lock(runtime_->mutex_);
  const auto node = runtime_->models_.extract(number_);
  runtime_->UpdateWatch(node.mapped().device);
}

void ModelListing::Loaded(const std::shared_ptr<Model>& model) {
  const std::lock_guard lock(runtime_->mutex_);
  ListedModel& listed = runtime_->models_.at(number_);
  listed.architecture = model->network().dims().architecture;
  listed.weight_bytes = model->network().stats().bytes;
  listed.model = model;
  runtime_->UpdateWatch(listed.device);
}

ModelListing Runtime::ListModel(size_t device, std::string path) {
  const std::lock_guard lock(mutex_);
  const uint64_t number = next_model_++;
  models_.emplace(
      number,
      ListedModel{.path = std::move(path), .architecture = {}, .device = device, .model = {}});
  UpdateWatch(device);
  return {this, number};
}

void Runtime::UpdateWatch(size_t device) {
  uint64_t bytes = 0;
  for (const auto& [number, model] : models_) {
    if (model.device != device) continue;
    if (model.weight_bytes == 0) {
      bytes = 0;
      break;
    }
    bytes += model.weight_bytes;
  }
  if (opened_[device]) opened_[device]->WatchMemory(bytes);
}

// A copy: with the lock held no model may be let go.
std::vector<ListedModel> Runtime::ListedModels() const {
  const std::lock_guard lock(mutex_);
  std::vector<ListedModel> out;
  for (const auto& [number, model] : models_) out.push_back(model);
  return out;
}

void Runtime::TrimMemory(size_t index) {
  for (const ListedModel& listed : ListedModels()) {
    if (listed.device != index) continue;
    if (const std::shared_ptr<Model> model = listed.model.lock()) model->Trim();
  }
  if (const std::shared_ptr<Device> open = FindOpenDevice(index)) open->Trim();
}

std::string Runtime::DescribeMetrics() const {
  const auto uptime = std::chrono::steady_clock::now() - started_;
  OrderedJson json = {
      {"uptime_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(uptime).count()}};
  json.update(RequestsJson(metrics_.Get()));
  OrderedJson models = OrderedJson::array(), devices = OrderedJson::array();
  for (const ListedModel& listed : ListedModels()) models.push_back(ModelJson(listed));
  for (size_t i = 0; i < devices_.devices.size(); ++i) {
    const std::shared_ptr<Device> open = FindOpenDevice(i);
    devices.push_back(
        DeviceJson(devices_.devices[i], MemoryOf(i), open ? open->programs() : ProgramStats{}));
  }
  json["models"] = std::move(models);
  json["devices"] = std::move(devices);
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);  // paths are bytes
}

}  // namespace inference
