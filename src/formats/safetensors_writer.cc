#include "formats/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "formats/json.h"
#include "util/checked.h"
#include "util/error.h"

namespace inference {

uint64_t SafetensorsWriter::Tensor::bytes() const {
  std::optional<uint64_t> elements = 1;
  for (const uint64_t dim : shape) elements = elements ? CheckedMul(*elements, dim) : elements;
  const std::optional<uint64_t> bytes = elements ? BytesOf(dtype, *elements) : std::nullopt;
  Require(bytes.has_value(), Status::kFormat, "tensor {}: size of {} [{}] overflows 64 bits",
          Quote(name), InfoOf(dtype).name, fmt::join(shape, ", "));
  return *bytes;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<Tensor> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : SafetensorsWriter(path) {  // the destructor closes whatever happens below
  // As text: an ordered JSON object compares each new key with all before it.
  std::string text = "{\"__metadata__\":" + Json(metadata).dump();
  uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    begins_.push_back(at);
    const uint64_t end = at + tensor.bytes();
    text += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        Json(tensor.name).dump(), InfoOf(tensor.dtype).name,
                        fmt::join(tensor.shape, ","), at, end);
    at = end;
  }
  begins_.push_back(at);
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  for (uint64_t& begin : begins_) begin += sizeof(length) + length;

  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) FailErrno(Status::kIo, path, "cannot create", errno);
  WriteAt(0, std::as_bytes(std::span(&length, 1)));
  WriteAt(sizeof(length), std::as_bytes(std::span(text)));
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      begins_(std::move(other.begins_)) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void SafetensorsWriter::Write(size_t index, uint64_t offset,
                              std::span<const std::byte> data) const {
  const uint64_t begin = begins_[index], bytes = begins_[index + 1] - begin;
  Require(offset <= bytes && data.size() <= bytes - offset, Status::kInternal,
          "{}: tensor {}: {} bytes at {}, it has {}", path_, index, data.size(), offset, bytes);
  WriteAt(begin + offset, data);
}

void SafetensorsWriter::WriteAt(uint64_t offset, std::span<const std::byte> data) const {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) FailErrno(Status::kIo, path_, "cannot write", errno);
    data = data.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

void SafetensorsWriter::Finish() {
  if (::fsync(fd_) != 0) FailErrno(Status::kIo, path_, "cannot fsync", errno);
  if (::close(std::exchange(fd_, -1)) != 0) FailErrno(Status::kIo, path_, "cannot close", errno);
}

}  // namespace inference
