// A kernel with arguments of its own.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/buffer.h"
#include "device/opencl.h"

namespace inference {

class Device;

// One-dimensional. `local` divides `global`; 0 leaves it to the driver. A global of 0 launches
// nothing.
struct Range {
  size_t global;
  size_t local;
};

template <typename T>
concept KernelArgument = std::same_as<T, Buffer> || std::same_as<T, int32_t> ||
    std::same_as<T, uint32_t> || std::same_as<T, float>;

// One cl_kernel, so setting arguments races with nobody; one thread at a time. Keeps its Device and
// the buffers that it was given alive. Arguments are taken when it is enqueued: they may change
// after that.
class Kernel {
 public:
  Kernel() = default;
  Kernel(Kernel&& other) noexcept = default;
  Kernel& operator=(Kernel&& other) noexcept;
  ~Kernel();

  explicit operator bool() const { return handle_ != nullptr; }
  const std::string& name() const { return name_; }

  // All arguments, in order; INTERNAL where their number is not the kernel's. An empty Buffer is a
  // null pointer in the kernel.
  template <KernelArgument... Args>
  void SetArgs(const Args&... args) {
    CheckCount(sizeof...(Args));
    uint32_t index = 0;
    (SetArg(index++, args), ...);
  }

  template <KernelArgument T>
  void SetArg(uint32_t index, const T& value) {
    if constexpr (std::same_as<T, Buffer>) {
      SetBuffer(index, value);
    } else {
      SetBytes(index, &value, sizeof(value));
    }
  }

 private:
  friend class Device;
  // What drivers compile a kernel anew for.
  struct Launch {
    size_t local;
    bool large_grid;
    bool operator==(const Launch&) const = default;
  };
  Kernel(std::shared_ptr<Device> device, ClKernel handle, std::string name, uint64_t program);
  void CheckCount(size_t count) const;
  void SetBuffer(uint32_t index, const Buffer& buffer);
  void SetBytes(uint32_t index, const void* value, size_t bytes);

  std::shared_ptr<Device> device_;
  ClKernel handle_;
  std::string name_;
  std::vector<Buffer> buffers_;  // by argument index
  uint64_t program_ = 0;         // in the device's program cache
  mutable std::optional<Launch> last_launch_;
};

}  // namespace inference
