// Arguments as the header promises to take them. Every message names the parameter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "inference.h"
#include "util/error.h"

namespace inference::capi {

std::string_view TextArg(const char* text, size_t length, const char* name);
// Not empty, no NUL.
std::string PathArg(const char* path, size_t length, const char* name = "path");
std::span<const std::byte> BytesArg(const void* data, size_t n, const char* name);
std::span<const int32_t> IdsArg(const inf_token* ids, size_t n, const char* name);
void FlagsArg(uint32_t flags, uint32_t known, const char* name);
void RequirePointer(const void* pointer, size_t alignment, const char* name);

template <typename T>
void RequireOut(const T* out, const char* name) {
  RequirePointer(out, alignof(T), name);
}

// ---- structs that begin with struct_size ----

void CheckStructSize(uint32_t size, size_t known, const char* name);
void CheckUnknownFields(const void* in, size_t known, uint32_t size, const char* name);

// The size that a struct had in the first version of the header that has it.
template <typename T>
constexpr size_t kFirstSize = sizeof(T);
template <>
inline constexpr size_t kFirstSize<inf_sampling> = offsetof(inf_sampling, typical_p);
template <>
inline constexpr size_t kFirstSize<inf_embed_options> = offsetof(inf_embed_options, request);
template <>
inline constexpr size_t kFirstSize<inf_result> = offsetof(inf_result, dropped_tokens);

// A copy of what the caller gave; fields that an older header does not have are 0.
template <typename T>
T InStruct(const T* in, const char* name) {
  RequirePointer(in, alignof(T), name);
  CheckStructSize(in->struct_size, kFirstSize<T>, name);
  CheckUnknownFields(in, sizeof(T), in->struct_size, name);
  T copy = {};
  std::memcpy(&copy, in, std::min<size_t>(in->struct_size, sizeof(T)));
  return copy;
}

template <typename T>
void RequireOutStruct(const T* out, const char* name) {
  RequirePointer(out, alignof(T), name);
  CheckStructSize(out->struct_size, kFirstSize<T>, name);
}

// After RequireOutStruct. Keeps the caller's struct_size, and writes what it has room for.
template <typename T>
void FillOut(T* out, T value) {
  value.struct_size = out->struct_size;
  std::memcpy(out, &value, std::min<size_t>(value.struct_size, sizeof(T)));
}

// ---- inf_buf, inf_tokens, inf_floats ----

// Malloc'ed memory; OOM_HOST.
void* AllocateBytes(uint64_t count, size_t element_bytes);

template <typename Out>
void RequireBuffer(const Out* out, const char* name) {
  RequirePointer(out, alignof(Out), name);
  Require(out->len <= out->cap && (out->data == nullptr) == (out->cap == 0), Status::kArg,
          "{}: len {}, cap {}: was not zeroed before its first use", name, out->len, out->cap);
}

// After RequireBuffer. Only this can fail, with the content kept.
template <typename Out>
void ReserveBuffer(Out* out, size_t count) {
  if (count <= out->cap) return;
  using Element = std::remove_pointer_t<decltype(out->data)>;
  const size_t capacity = std::max<size_t>(count, 64);
  auto* fresh = static_cast<Element*>(AllocateBytes(capacity, sizeof(Element)));
  if (out->len > 0) std::memcpy(fresh, out->data, out->len * sizeof(Element));
  std::free(out->data);
  out->data = fresh;
  out->cap = capacity;
}

template <typename Out, typename Source>
void FillBuffer(Out* out, const Source& source) {
  ReserveBuffer(out, source.size());
  if (!source.empty()) std::memcpy(out->data, source.data(), source.size() * sizeof(*out->data));
  out->len = source.size();
}

}  // namespace inference::capi
