#include "formats/file_reader.h"

#include <algorithm>
#include <bit>
#include <span>

#include "util/error.h"

namespace inference {

static_assert(std::endian::native == std::endian::little, "values are copied as the file has them");

namespace {
constexpr uint64_t kChunkBytes = 256 << 10;
}  // namespace

FileReader::FileReader(const File& file, uint64_t max_position)
    : file_(file), max_position_(max_position) {}

void FileReader::Expect(uint64_t count, uint64_t bytes, std::string_view what) const {
  const uint64_t left = remaining();
  if (count > left / bytes) {
    const std::string wanted = bytes == 1 || count == 1 ? fmt::to_string(std::max(count, bytes))
                                                        : fmt::format("{} x {}", count, bytes);
    Fail(Status::kFormat, "{}: {}: needs {} bytes at byte {}, the file has {} left", path(), what,
         wanted, position(), left);
  }
  Require(position() + count * bytes <= max_position_, Status::kLimit,
          "{}: {}: {} bytes at byte {}, this part of a file may have {}", path(), what,
          count * bytes, position(), max_position_);
}

std::string FileReader::ReadString(std::string_view what) {
  const uint64_t length = Read<uint64_t>(what);
  if (length == 0) return {};
  Expect(length, 1, what);
  std::string text(length, '\0');
  const size_t buffered = std::min<size_t>(length, buffer_.size() - at_);
  std::memcpy(text.data(), buffer_.data() + at_, buffered);
  at_ += buffered;
  if (buffered < length && length - buffered < kChunkBytes) {
    Refill(length - buffered, what);
    std::memcpy(text.data() + buffered, buffer_.data(), length - buffered);
    at_ = length - buffered;
  } else if (buffered < length) {
    file_.ReadAt(position(), std::as_writable_bytes(std::span(text).subspan(buffered)));
    buffer_start_ = position() + (length - buffered);
    buffer_.clear();
    at_ = 0;
  }
  return text;
}

void FileReader::Refill(uint64_t bytes, std::string_view what) {
  Expect(bytes, 1, what);
  const uint64_t start = position();
  buffer_.resize(std::min(std::max(bytes, kChunkBytes), file_.size() - start));
  file_.ReadAt(start, std::as_writable_bytes(std::span(buffer_)));
  buffer_start_ = start;
  at_ = 0;
}

}  // namespace inference
