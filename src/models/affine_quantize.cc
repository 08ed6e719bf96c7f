#include "models/affine_quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "util/float16.h"

namespace inference {

namespace {

struct Group {
  float scale, bias;
};

// The line through the end of larger size: it is met exactly, and zero is one of the steps.
Group FitGroup(std::span<const float> values, float steps) {
  constexpr float kLeastScale = 1e-7f;
  const auto [low, high] = std::ranges::minmax(values);
  const bool is_low = std::abs(low) > std::abs(high);
  const float edge = is_low ? low : high;
  const float width = std::max((high - low) / steps, kLeastScale);
  const float scale = is_low ? width : -width;
  const float code = std::nearbyint(edge / scale);
  if (code == 0.0f) return {scale, 0.0f};
  return {edge / code, edge};
}

// Codes of 0 ... `steps`, rounded to nearest even.
void CodesOf(std::span<const float> values, const Group& group, float steps, uint8_t* codes) {
  constexpr float kRound = 8388608.0f;  // 2^23: sums with it have no fraction
  for (size_t i = 0; i < values.size(); ++i) {
    const float code = std::clamp((values[i] - group.bias) / group.scale, 0.0f, steps);
    codes[i] = static_cast<uint8_t>((code + kRound) - kRound);
  }
}

void PackBits(std::span<const uint8_t> codes, int bits, std::byte* out) {
  uint32_t stream = 0;
  int have = 0;
  for (const uint8_t code : codes) {
    stream |= static_cast<uint32_t>(code) << have;
    for (have += bits; have >= 8; have -= 8, stream >>= 8) *out++ = static_cast<std::byte>(stream);
  }
}

}  // namespace

void QuantizeRow(const WeightFormat& format, std::span<const float> row, std::span<std::byte> words,
                 std::span<std::byte> scales, std::span<std::byte> biases) {
  const size_t width = format.group, scale_bytes = InfoOf(format.scales).block_bytes;
  const auto steps = static_cast<float>((1 << format.bits) - 1);
  for (size_t g = 0; g < row.size() / width; ++g) {
    const std::span<const float> values = row.subspan(g * width, width);
    const Group group = FitGroup(values, steps);
    std::array<uint8_t, 128> codes;
    CodesOf(values, group, steps, codes.data());
    PackBits(std::span(codes).first(width), format.bits, &words[g * width * format.bits / 8]);
    FromFloats({&group.scale, 1}, format.scales, scales.subspan(g * scale_bytes, scale_bytes));
    FromFloats({&group.bias, 1}, format.scales, biases.subspan(g * scale_bytes, scale_bytes));
  }
}

}  // namespace inference
