// Ops are recorded, then run: an op checks its arguments and appends a node; Run() launches the
// nodes in order. What differs from step to step (positions, token ids) is read from a StepBuffer,
// so one recording serves every step of its shape.
#pragma once

#include <bit>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "device/device.h"
#include "tensor/resident.h"
#include "tensor/temp_arena.h"
#include "tensor/tensor.h"
#include "util/cancel.h"

namespace inference {

// Two families of kernels (docs/DESIGN.md): wide vectors and one work-item a group for CPU devices,
// one output element a work-item elsewhere.
enum class KernelFamily { kCpu, kGpu };
KernelFamily FamilyOf(const Device& device);

// Attention's work grows with what is cached: a function of the position of the first new token.
using LaunchWork = std::variant<Work, std::function<Work(int64_t position)>>;

class Recording {
 public:
  explicit Recording(std::shared_ptr<Device> device);
  Recording(std::shared_ptr<Device> device, KernelFamily family);  // tests: a family by force
  // Intermediates lie in `arena`.
  Recording(std::shared_ptr<Device> device, KernelFamily family, std::shared_ptr<TempArena> arena);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  Device& device() const { return *device_; }
  KernelFamily family() const { return family_; }

  // An intermediate: its memory serves later nodes once the last Tensor that names it is gone.
  Tensor Temp(const Shape& shape) { return arena_->Take(shape); }

  // Inputs of products are rounded to 8 bits in blocks of 32 columns (the option activations =
  // int8). Before the first node.
  void RoundActivations() { rounds_activations_ = true; }
  bool rounds_activations() const { return rounds_activations_; }

  // Appends one launch. `units` is how many independent pieces of work there are (rows, heads, row
  // blocks): a CPU device gets a few work-items that share them, others one each, in groups of 64.
  // `work` is for profiles. The kernel's arguments follow. Submission thread only (it may build the
  // program).
  template <typename... Args>
  void Launch(const std::string& kernel, const std::vector<std::string>& files,
              const std::string& defines, int64_t units, LaunchWork work, const Args&... args) {
    Kernel made = device_->GetKernel(kernel, files, defines + GroupDefine());
    made.SetArgs(args...);
    nodes_.push_back({std::move(made), RangeFor(units), std::move(work)});
    if (one_launch_) {
      phases_.push_back({{kernel, files, defines}, PartsFor(units), {Word(args)...}});
    }
  }

  // The same in `groups` work-groups of `size` work-items: kernels with local memory. Not of the
  // CPU family, whose compilers turn barriers into loops.
  template <typename... Args>
  void LaunchGroups(const std::string& kernel, const std::vector<std::string>& files,
                    const std::string& defines, int64_t groups, int32_t size, LaunchWork work,
                    const Args&... args) {
    const Range range = GroupsRange(kernel, groups, size);
    Kernel made = device_->GetKernel(kernel, files, fmt::format("{} -D GROUP={}", defines, size));
    made.SetArgs(args...);
    nodes_.push_back({std::move(made), range, std::move(work)});
  }

  // Work-items that share `units` on a CPU device: scratch memory is sized by it.
  int64_t PartsFor(int64_t units) const;

  // From now on one launch runs all nodes, where the device can (a CPU device's work-groups run
  // side by side). For many small nodes that run again and again. Before the first node.
  void UseOneLaunch();

  // Enqueues every node, in one launch or one each (so while the device is profiling); submission
  // thread only. `position`: of the first new token, for work that depends on it. Where `cancel` is
  // set while separate launches are queued, those queued are awaited and CANCELLED is thrown.
  void Run(int64_t position = 0, const CancelFlag* cancel = nullptr);
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    Kernel kernel;
    Range range;
    LaunchWork work;
  };
  static std::variant<Buffer, uint32_t> Word(const Buffer& buffer) { return buffer; }
  static std::variant<Buffer, uint32_t> Word(int32_t value) {
    return std::bit_cast<uint32_t>(value);
  }
  static std::variant<Buffer, uint32_t> Word(uint32_t value) { return value; }
  static std::variant<Buffer, uint32_t> Word(float value) { return std::bit_cast<uint32_t>(value); }
  void Enqueue(size_t first_node, int64_t position, const CancelFlag* cancel);
  Range RangeFor(int64_t units) const;
  Range GroupsRange(const std::string& kernel, int64_t groups, int32_t size) const;
  std::string GroupDefine() const;  // " -D GROUP=64"

  std::shared_ptr<Device> device_;
  KernelFamily family_;
  std::shared_ptr<TempArena> arena_;
  std::vector<Node> nodes_;
  bool rounds_activations_ = false;
  bool one_launch_ = false;
  std::vector<Phase> phases_;                 // the same nodes, where one launch runs them
  std::unique_ptr<ResidentLaunch> resident_;  // made by the first run
  // Runs with a launch for each node: still to go, and after the next time that groups do not meet.
  int apart_ = 0, next_apart_ = 0;
};

}  // namespace inference
