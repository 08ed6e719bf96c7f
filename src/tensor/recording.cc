#include "tensor/recording.h"

#include <algorithm>

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kGpuGroup = 64;          // work-items a group
constexpr int64_t kGpuMaxItems = 1 << 20;  // bodies walk on in strides beyond that
constexpr int kMostApart = 16;             // runs, after work-groups did not meet
// Of work between two looks at a cancel flag: some 20 ms of a CPU.
constexpr uint64_t kSliceFlops = 4'000'000'000;

Work WorkOf(const LaunchWork& work, int64_t position) {
  const auto* at = std::get_if<std::function<Work(int64_t)>>(&work);
  return at == nullptr ? std::get<Work>(work) : (*at)(position);
}

int64_t GroupSize(KernelFamily family) { return family == KernelFamily::kGpu ? kGpuGroup : 1; }

}  // namespace

KernelFamily FamilyOf(const Device& device) {
  return device.info().type == DeviceType::kCpu ? KernelFamily::kCpu : KernelFamily::kGpu;
}

Recording::Recording(std::shared_ptr<Device> device) : Recording(device, FamilyOf(*device)) {}

Recording::Recording(std::shared_ptr<Device> device, KernelFamily family)
    : Recording(device, family, std::make_shared<TempArena>(device)) {}

Recording::Recording(std::shared_ptr<Device> device, KernelFamily family,
                     std::shared_ptr<TempArena> arena)
    : device_(std::move(device)), family_(family), arena_(std::move(arena)) {}

Recording::~Recording() = default;

int64_t Recording::PartsFor(int64_t units) const {
  if (family_ == KernelFamily::kGpu) {
    const int64_t items = std::clamp<int64_t>(units, 1, kGpuMaxItems);
    return (items + kGpuGroup - 1) / kGpuGroup * kGpuGroup;
  }
  // Groups that stay resident take one part each, and meet when all are done.
  const int64_t most =
      device_->info().compute_units * (one_launch_ ? 1 : device_->tuning().parts_per_compute_unit);
  return std::clamp<int64_t>(units, 1, most);
}

Range Recording::RangeFor(int64_t units) const {
  return {static_cast<size_t>(PartsFor(units)), static_cast<size_t>(GroupSize(family_))};
}

Range Recording::GroupsRange(const std::string& kernel, int64_t groups, int32_t size) const {
  Require(family_ == KernelFamily::kGpu && groups >= 0 && size > 0, Status::kInternal,
          "{}: {} groups of {} on the {} family", kernel, groups, size,
          family_ == KernelFamily::kGpu ? "GPU" : "CPU");
  const auto items = static_cast<size_t>(size);
  return {static_cast<size_t>(groups) * items, items};
}

std::string Recording::GroupDefine() const {
  return fmt::format(" -D GROUP={}", GroupSize(family_));
}

void Recording::UseOneLaunch() {
  Require(nodes_.empty(), Status::kInternal, "recording: one launch, after {} nodes", size());
  one_launch_ = family_ == KernelFamily::kCpu;
}

// At most two slices of work are queued where somebody may cancel: one runs while the next is made.
void Recording::Enqueue(size_t first_node, int64_t position, const CancelFlag* cancel) {
  uint64_t flops = 0;
  ClEvent slice;
  for (size_t i = first_node; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const Work work =
        device_->is_profiling() || cancel != nullptr ? WorkOf(node.work, position) : Work{};
    device_->Enqueue(node.kernel, node.range, &work);
    flops += work.flops;
    if (cancel == nullptr || flops < kSliceFlops) continue;
    ClEvent next = device_->Mark();
    if (slice) device_->Wait(slice);
    slice = std::move(next);
    flops = 0;
    if (cancel->IsSet()) {
      device_->Finish();
      ThrowIfCancelled(cancel, "step");
    }
  }
  device_->Flush();
}

void Recording::Run(int64_t position, const CancelFlag* cancel) {
  if (!one_launch_ || nodes_.empty() || device_->is_profiling()) {
    return Enqueue(0, position, cancel);
  }
  if (apart_ > 0) {
    --apart_;
    return Enqueue(0, position, cancel);
  }
  if (!resident_) resident_ = std::make_unique<ResidentLaunch>(*device_, phases_);
  const size_t done = resident_->Run(*device_);
  if (done == nodes_.size()) {
    next_apart_ = 0;
    return;
  }
  // Somebody else has the cores: the longer this goes on, the rarer we try.
  apart_ = next_apart_;
  next_apart_ = std::clamp(2 * next_apart_, 1, kMostApart);
  Enqueue(done, position, cancel);
}

}  // namespace inference
