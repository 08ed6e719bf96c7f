#include "capi/arguments.h"

#include <cstdlib>
#include <new>

#include "util/checked.h"

namespace inference::capi {

namespace {

constexpr size_t kMaxTextBytes = size_t{256} << 20;
constexpr size_t kMaxIds = size_t{1} << 28;
constexpr uint32_t kMaxStructBytes = 1 << 16;  // more is not a size but garbage

}  // namespace

std::string_view TextArg(const char* text, size_t length, const char* name) {
  Require(text != nullptr || length == 0, Status::kArg, "{}: is NULL, its length is {}", name,
          length);
  Require(length <= kMaxTextBytes, Status::kLimit, "{}: has {} bytes, at most {}", name, length,
          kMaxTextBytes);
  return length == 0 ? std::string_view() : std::string_view(text, length);
}

std::string PathArg(const char* path, size_t length, const char* name) {
  const std::string_view text = TextArg(path, length, name);
  Require(!text.empty(), Status::kArg, "{}: is empty", name);
  Require(text.find('\0') == text.npos, Status::kArg, "{}: {} holds a NUL byte", name, Quote(text));
  return std::string(text);
}

std::span<const std::byte> BytesArg(const void* data, size_t n, const char* name) {
  if (n == 0) return {};
  RequirePointer(data, 1, name);
  return {static_cast<const std::byte*>(data), n};
}

std::span<const int32_t> IdsArg(const inf_token* ids, size_t n, const char* name) {
  if (n == 0) return {};
  RequirePointer(ids, alignof(inf_token), name);
  Require(n <= kMaxIds, Status::kLimit, "{}: {} ids, at most {}", name, n, kMaxIds);
  return {ids, n};
}

void FlagsArg(uint32_t flags, uint32_t known, const char* name) {
  Require((flags & ~known) == 0, Status::kArg, "{}: is {:#x}, the flags of this call are {:#x}",
          name, flags, known);
}

void RequirePointer(const void* pointer, size_t alignment, const char* name) {
  Require(pointer != nullptr, Status::kArg, "{}: is NULL", name);
  Require(reinterpret_cast<uintptr_t>(pointer) % alignment == 0, Status::kArg,
          "{}: is not aligned to {} bytes", name, alignment);
}

void CheckStructSize(uint32_t size, size_t known, const char* name) {
  Require(size >= known && size <= kMaxStructBytes, Status::kAbi,
          "{}: struct_size is {}, want the size of the struct, {} here", name, size, known);
}

void CheckUnknownFields(const void* in, size_t known, uint32_t size, const char* name) {
  const auto* bytes = static_cast<const unsigned char*>(in);
  for (size_t i = known; i < size; ++i) {
    Require(bytes[i] == 0, Status::kAbi,
            "{}: byte {} of {} is set, this library knows {}: it is older than the header", name, i,
            size, known);
  }
}

void* AllocateBytes(uint64_t count, size_t element_bytes) {
  const std::optional<uint64_t> bytes = CheckedMul(count, element_bytes);
  void* memory = bytes && *bytes <= PTRDIFF_MAX ? std::malloc(*bytes) : nullptr;
  if (memory == nullptr && count > 0) throw std::bad_alloc();
  return memory;
}

}  // namespace inference::capi
