#include "formats/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "formats/json.h"
#include "util/checked.h"
#include "util/error.h"

namespace inference {

namespace {

[[noreturn]] void FailErrno(const std::string& path, const char* what, int code) {
  throw Error(Status::kIo, fmt::format("{}: {}: {}", path, what, std::strerror(code)),
              Domain::kErrno, code);
}

}  // namespace

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
  OrderedJson header;
  header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    begins_.push_back(at);
    const uint64_t end = at + tensor.bytes();
    header[tensor.name] = {{"dtype", std::string(InfoOf(tensor.dtype).name)},
                           {"shape", tensor.shape},
                           {"data_offsets", {at, end}}};
    at = end;
  }
  begins_.push_back(at);
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  for (uint64_t& begin : begins_) begin += sizeof(length) + length;

  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) FailErrno(path, "cannot create", errno);
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
    if (n < 0) FailErrno(path_, "cannot write", errno);
    data = data.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

void SafetensorsWriter::Finish() {
  if (::fsync(fd_) != 0) FailErrno(path_, "cannot fsync", errno);
  if (::close(std::exchange(fd_, -1)) != 0) FailErrno(path_, "cannot close", errno);
}

}  // namespace inference
