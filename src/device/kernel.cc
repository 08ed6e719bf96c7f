#include "device/kernel.h"

#include <utility>

#include "device/cl_error.h"
#include "device/device.h"

namespace inference {

Kernel::Kernel(std::shared_ptr<Device> device, ClKernel handle, std::string name, uint64_t program)
    : device_(std::move(device)),
      handle_(std::move(handle)),
      name_(std::move(name)),
      program_(program) {
  cl_uint count = 0;
  CheckCl(clGetKernelInfo(handle_.get(), CL_KERNEL_NUM_ARGS, sizeof(count), &count, nullptr),
          "clGetKernelInfo", name_);
  buffers_.resize(count);
}

Kernel& Kernel::operator=(Kernel&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  std::swap(name_, other.name_);
  std::swap(buffers_, other.buffers_);
  std::swap(program_, other.program_);
  std::swap(last_launch_, other.last_launch_);
  return *this;
}

Kernel::~Kernel() {
  if (device_) device_->Retire(std::move(handle_));
}

void Kernel::CheckCount(size_t count) const {
  Require(handle_ != nullptr, Status::kInternal, "kernel: used before it was made");
  Require(count == buffers_.size(), Status::kInternal, "kernel {}: given {} arguments, expected {}",
          name_, count, buffers_.size());
}

void Kernel::SetBuffer(uint32_t index, const Buffer& buffer) {
  Require(!buffer || buffer.BelongsTo(*device_), Status::kInternal,
          "kernel {}: argument {} is a buffer of another device", name_, index);
  const cl_mem handle = buffer.handle();
  SetBytes(index, &handle, sizeof(handle));
  buffers_[index] = buffer;
}

void Kernel::SetBytes(uint32_t index, const void* value, size_t bytes) {
  Require(handle_ != nullptr, Status::kInternal, "kernel: used before it was made");
  Require(index < buffers_.size(), Status::kInternal,
          "kernel {}: argument {} set, it has {} arguments", name_, index, buffers_.size());
  const cl_int code = clSetKernelArg(handle_.get(), index, bytes, value);
  if (code != CL_SUCCESS) {
    FailCl(Status::kInternal, code, "clSetKernelArg", fmt::format("{}, argument {}", name_, index));
  }
}

}  // namespace inference
