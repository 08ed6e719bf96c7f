// BLAKE2b without a key (RFC 7693): names content by its bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace inference {

class Blake2b {
 public:
  // `digest_bytes`: 1 to 64.
  explicit Blake2b(size_t digest_bytes);

  void Add(std::span<const std::byte> data);
  // The digest in lower-case hex. Nothing may be added afterwards.
  std::string Finish();

 private:
  static constexpr size_t kBlockBytes = 128;
  void Compress(bool is_last);

  size_t digest_bytes_;
  std::array<uint64_t, 8> state_;
  std::array<std::byte, kBlockBytes> block_{};
  size_t filled_ = 0;   // bytes of the block
  uint64_t total_ = 0;  // bytes of all compressed blocks: less than 2^64
};

}  // namespace inference
