#include "device/int8_dot.h"

#include <fmt/format.h>

#include <array>

#include "device/device.h"
#include "util/error.h"

namespace inference {

namespace {

// Bytes at both ends of their range and of either sign, in every place.
constexpr std::array<uint32_t, 8> kWords = {0x00000000, 0x7F7F7F7F, 0x80808080, 0x7F80017F,
                                            0xFF010203, 0x04FE00FB, 0x80007F01, 0x12B4569A};
constexpr std::array<int32_t, 3> kSums = {0, 100000, -7};

int32_t Expected(uint32_t a, uint32_t b, int32_t sum) {
  for (int shift = 0; shift < 32; shift += 8) {
    sum += static_cast<int8_t>(a >> shift & 0xFF) * static_cast<int8_t>(b >> shift & 0xFF);
  }
  return sum;
}

bool GivesRightResults(Device& device, Int8Dot form) {
  std::vector<int32_t> a, b, sums, want;
  for (const uint32_t x : kWords) {
    for (const uint32_t y : kWords) {
      for (const int32_t sum : kSums) {
        a.push_back(static_cast<int32_t>(x));
        b.push_back(static_cast<int32_t>(y));
        sums.push_back(sum);
        want.push_back(Expected(x, y, sum));
      }
    }
  }
  std::vector<int32_t> got(want.size());
  const auto upload = [&](const std::vector<int32_t>& values) {
    const Buffer buffer = device.Allocate(values.size() * sizeof(int32_t));
    device.Write(buffer, 0, std::as_bytes(std::span(values)));
    return buffer;
  };
  device.Run([&] {
    Kernel kernel = device.GetKernel("int8_dot_probe", {"int8_dot", "int8_dot_probe"},
                                     "-D GROUP=1" + Int8DotDefine(form));
    const Buffer out = device.Allocate(got.size() * sizeof(int32_t));
    kernel.SetArgs(out, upload(a), upload(b), upload(sums), static_cast<int32_t>(got.size()));
    device.Enqueue(kernel, {got.size(), 1});
    device.Read(out, 0, std::as_writable_bytes(std::span(got)));
  });
  return got == want;
}

}  // namespace

std::string_view Int8DotName(Int8Dot form) {
  switch (form) {
    case Int8Dot::kPlain:
      return "plain";
    case Int8Dot::kKhr:
      return "khr";
    case Int8Dot::kPtx:
      return "ptx";
  }
  return "unknown";
}

std::string Int8DotDefine(Int8Dot form) {
  return fmt::format(" -D INT8_DOT={}", static_cast<int>(form));
}

bool HasInt8Dot(Device& device, Int8Dot form) {
  if (form == Int8Dot::kKhr && !device.info().claims_integer_dot) return false;
  if (form == Int8Dot::kPtx && !device.info().claims_ptx) return false;
  try {
    return GivesRightResults(device, form);
  } catch (const Error& error) {
    if (error.status() != Status::kKernelBuild) throw;
    return false;  // older than the instruction
  }
}

Int8Dot Device::BestInt8Dot() {
  CheckThread("BestInt8Dot");
  if (!int8_dot_) int8_dot_ = ProbeInt8Dot(*this);
  return *int8_dot_;
}

Int8Dot ProbeInt8Dot(Device& device) {
  for (const Int8Dot form : {Int8Dot::kPtx, Int8Dot::kKhr}) {
    if (HasInt8Dot(device, form)) return form;
  }
  return Int8Dot::kPlain;
}

}  // namespace inference
