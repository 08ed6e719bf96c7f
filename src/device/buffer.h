// Device memory as a shared handle.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "device/opencl.h"

namespace inference {

class Device;

// Copies share the memory, which goes back to the device's pool with the last of them; commands
// already queued still find it, as the queue is in order. Keeps its Device alive. Any thread may
// copy or drop it.
class Buffer {
 public:
  Buffer() = default;
  explicit operator bool() const { return block_ != nullptr; }
  uint64_t size() const { return block_ ? block_->size : 0; }  // bytes that were asked for
  cl_mem handle() const { return block_ ? block_->handle : nullptr; }
  bool BelongsTo(const Device& device) const { return block_ && block_->device.get() == &device; }

 private:
  friend class Device;
  struct Block {
    Block(std::shared_ptr<Device> owner, uint64_t bytes);
    ~Block();
    std::shared_ptr<Device> device;
    cl_mem handle = nullptr;
    uint64_t size;
    uint64_t capacity = 0;  // bytes that the handle really has
  };
  explicit Buffer(std::shared_ptr<const Block> block) : block_(std::move(block)) {}

  std::shared_ptr<const Block> block_;
};

// A buffer in the host's address space, for writing all of it: what was there before is undefined.
// Any thread may write to span(). Unmapped on destruction.
class BufferMapping {
 public:
  BufferMapping(BufferMapping&& other) noexcept;
  BufferMapping& operator=(BufferMapping&&) = delete;
  ~BufferMapping();

  std::span<std::byte> span() const { return span_; }

 private:
  friend class Device;
  BufferMapping(std::shared_ptr<Device> device, Buffer buffer, std::span<std::byte> span);

  std::shared_ptr<Device> device_;
  Buffer buffer_;
  std::span<std::byte> span_;
};

}  // namespace inference
