// Sessions as bytes, in memory and in files.
#include "engine/session_file.h"

#include <cstdlib>
#include <cstring>

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/objects.h"

using namespace inference;
using namespace inference::capi;

namespace {

// Bytes that inf_buf_free can give back.
class ByteMemory {
 public:
  explicit ByteMemory(uint64_t bytes)
      : size_(bytes), data_(static_cast<char*>(AllocateBytes(bytes, 1)), &std::free) {}

  void Add(std::span<const std::byte> bytes) {
    Require(bytes.size() <= size_ - used_, Status::kInternal, "session: {} bytes past the end",
            bytes.size() - (size_ - used_));
    std::memcpy(data_.get() + used_, bytes.data(), bytes.size());
    used_ += bytes.size();
  }

  void MoveTo(inf_buf* out) {
    std::free(out->data);
    out->data = data_.release();
    out->len = used_;
    out->cap = size_;
  }

 private:
  size_t size_, used_ = 0;
  std::unique_ptr<char, void (*)(void*)> data_;
};

}  // namespace

extern "C" {

inf_status inf_session_save(const inf_session* session, inf_buf* out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    RequireBuffer(out, "out");
    const SavedSession saved(*held->session);
    ByteMemory memory(saved.bytes());
    saved.WriteTo([&](std::span<const std::byte> bytes) { memory.Add(bytes); });
    memory.MoveTo(out);
  });
}

inf_status inf_session_load(inf_session* session, const void* data, size_t n, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::span<const std::byte> bytes = BytesArg(data, n, "data");
    LoadSession(*held->session, {.name = "data", .bytes = n, .read = [&](uint64_t at, auto out) {
                                   std::memcpy(out.data(), bytes.data() + at, out.size());
                                 }});
  });
}

inf_status inf_session_save_file(const inf_session* session, const char* path, size_t path_len,
                                 inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const std::string to = PathArg(path, path_len);
    const SavedSession saved(*held->session);
    WriteFileAtomically(to, [&](const ByteSink& sink) { saved.WriteTo(sink); });
  });
}

inf_status inf_session_load_file(inf_session* session, const char* path, size_t path_len,
                                 inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const File file = File::Open(PathArg(path, path_len));
    LoadSession(*held->session, {.name = file.path(),
                                 .bytes = file.size(),
                                 .read = [&](uint64_t at, auto out) { file.ReadAt(at, out); }});
  });
}

}  // extern "C"
