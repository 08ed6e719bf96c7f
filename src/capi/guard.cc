#include "capi/guard.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>

#include "util/utf8.h"

namespace inference::capi {

static_assert(static_cast<int32_t>(Status::kInternal) == INF_E_INTERNAL);
static_assert(static_cast<int32_t>(Status::kArg) == INF_E_ARG);
static_assert(static_cast<int32_t>(Status::kState) == INF_E_STATE);
static_assert(static_cast<int32_t>(Status::kBusy) == INF_E_BUSY);
static_assert(static_cast<int32_t>(Status::kAbi) == INF_E_ABI);
static_assert(static_cast<int32_t>(Status::kHandle) == INF_E_HANDLE);
static_assert(static_cast<int32_t>(Status::kLimit) == INF_E_LIMIT);
static_assert(static_cast<int32_t>(Status::kNotFound) == INF_E_NOT_FOUND);
static_assert(static_cast<int32_t>(Status::kIo) == INF_E_IO);
static_assert(static_cast<int32_t>(Status::kFormat) == INF_E_FORMAT);
static_assert(static_cast<int32_t>(Status::kUnsupported) == INF_E_UNSUPPORTED);
static_assert(static_cast<int32_t>(Status::kPath) == INF_E_PATH);
static_assert(static_cast<int32_t>(Status::kTemplate) == INF_E_TEMPLATE);
static_assert(static_cast<int32_t>(Status::kNumeric) == INF_E_NUMERIC);
static_assert(static_cast<int32_t>(Status::kOomHost) == INF_E_OOM_HOST);
static_assert(static_cast<int32_t>(Status::kOomDevice) == INF_E_OOM_DEVICE);
static_assert(static_cast<int32_t>(Status::kDevice) == INF_E_DEVICE);
static_assert(static_cast<int32_t>(Status::kDeviceLost) == INF_E_DEVICE_LOST);
static_assert(static_cast<int32_t>(Status::kKernelBuild) == INF_E_KERNEL_BUILD);
static_assert(static_cast<int32_t>(Status::kCancelled) == INF_E_CANCELLED);
static_assert(static_cast<int32_t>(Status::kCallback) == INF_E_CALLBACK);
static_assert(static_cast<int32_t>(Status::kContextFull) == INF_E_CONTEXT_FULL);
static_assert(static_cast<int32_t>(Status::kMismatch) == INF_E_MISMATCH);
static_assert(static_cast<int32_t>(Domain::kErrno) == INF_DOMAIN_ERRNO);
static_assert(static_cast<int32_t>(Domain::kOpenCl) == INF_DOMAIN_OPENCL);
static_assert(static_cast<int32_t>(Domain::kCallback) == INF_DOMAIN_CALLBACK);

namespace {

// As much of `text` as fits, whole code points, bytes that are not UTF-8 as '?'. Allocates nothing.
uint32_t CopyText(std::string_view text, char* out, size_t room) {
  size_t length = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text, at);
    if (length + c.length + 1 > room) break;
    if (c.valid) {
      std::memcpy(out + length, text.data() + at, c.length);
    } else {
      out[length] = '?';
    }
    length += c.length;
    at += c.length;
  }
  out[length] = '\0';
  return static_cast<uint32_t>(length);
}

// Writes whole fields, as many as the caller's struct has room for.
inf_status Report(inf_error* err, inf_status status, int32_t domain, int32_t sub,
                  std::string_view message) noexcept {
  if (err == nullptr || reinterpret_cast<uintptr_t>(err) % alignof(inf_error) != 0) return status;
  const size_t size = err->struct_size;
  const auto set = [size](auto& field, size_t offset, auto value) {
    if (size >= offset + sizeof(field)) field = value;
  };
  set(err->status, offsetof(inf_error, status), status);
  set(err->domain, offsetof(inf_error, domain), domain);
  set(err->sub, offsetof(inf_error, sub), sub);
  if (size <= offsetof(inf_error, msg)) return status;
  err->reserved = 0;
  err->msg_len =
      CopyText(message, err->msg, std::min(size - offsetof(inf_error, msg), sizeof(err->msg)));
  return status;
}

}  // namespace

inf_status ReportCurrentException(inf_error* err) noexcept {
  try {
    throw;
  } catch (const Error& e) {
    return Report(err, static_cast<inf_status>(e.status()), static_cast<int32_t>(e.domain()),
                  e.sub(), e.what());
  } catch (const std::bad_alloc&) {
    return Report(err, INF_E_OOM_HOST, INF_DOMAIN_NONE, 0, "out of host memory");
  } catch (const std::exception& e) {
    return Report(err, INF_E_INTERNAL, INF_DOMAIN_NONE, 0, e.what());
  } catch (...) {
    return Report(err, INF_E_INTERNAL, INF_DOMAIN_NONE, 0, "unknown exception");
  }
}

}  // namespace inference::capi
