#include "device/buffer.h"

#include <utility>

#include "device/device.h"

namespace inference {

Buffer::Block::Block(std::shared_ptr<Device> owner, uint64_t bytes)
    : device(std::move(owner)), size(bytes) {}

Buffer::Block::~Block() {
  if (handle != nullptr && !device->Forked()) device->pool_->Return({handle, capacity});
}

BufferMapping::BufferMapping(std::shared_ptr<Device> device, Buffer buffer,
                             std::span<std::byte> span)
    : device_(std::move(device)), buffer_(std::move(buffer)), span_(span) {}

BufferMapping::BufferMapping(BufferMapping&& other) noexcept
    : device_(std::move(other.device_)),
      buffer_(std::move(other.buffer_)),
      span_(std::exchange(other.span_, {})) {}

BufferMapping::~BufferMapping() {
  if (span_.empty()) return;
  try {
    device_->Run([this] { device_->Unmap(buffer_, span_); });
  } catch (...) {  // a lost device or a forked child: there is nothing left to unmap
  }
}

}  // namespace inference
