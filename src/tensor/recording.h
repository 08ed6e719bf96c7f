// Ops are recorded, then run: an op checks its arguments and appends a node; Run() launches the
// nodes in order. What differs from step to step (positions, token ids) is read from a StepBuffer,
// so one recording serves every step of its shape.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "tensor/tensor.h"

namespace inference {

// Two families of kernels (docs/DESIGN.md): wide vectors and one work-item a group for CPU devices,
// one output element a work-item elsewhere.
enum class KernelFamily { kCpu, kGpu };

class Recording {
 public:
  explicit Recording(std::shared_ptr<Device> device);
  Recording(std::shared_ptr<Device> device, KernelFamily family);  // tests: a family by force
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  Device& device() const { return *device_; }
  KernelFamily family() const { return family_; }

  // An intermediate: its memory serves later nodes once the last Tensor that names it is gone.
  Tensor Temp(const Shape& shape);

  // Appends one launch. `units` is how many independent pieces of work there are (rows, heads, row
  // blocks): a CPU device gets a few work-items that share them, others one each, in groups of 64.
  // The kernel's arguments follow. Submission thread only (it may build the program).
  template <typename... Args>
  void Launch(const std::string& kernel, const std::vector<std::string>& files,
              const std::string& defines, int64_t units, const Args&... args) {
    Kernel made = device_->GetKernel(kernel, files, defines + GroupDefine());
    made.SetArgs(args...);
    nodes_.push_back({std::move(made), RangeFor(units)});
  }

  // Work-items that share `units` on a CPU device: scratch memory is sized by it.
  int64_t PartsFor(int64_t units) const;

  void Run();  // enqueues every node; submission thread only
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    Kernel kernel;
    Range range;
  };
  struct Arena;
  Range RangeFor(int64_t units) const;
  std::string GroupDefine() const;  // " -D GROUP=64"

  std::shared_ptr<Device> device_;
  KernelFamily family_;
  std::shared_ptr<Arena> arena_;
  std::vector<Node> nodes_;
};

}  // namespace inference
