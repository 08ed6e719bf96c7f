#include "tensor/weight_format.h"

#include "util/error.h"

namespace inference {

WeightFormat WeightFormat::Affine(int bits, int group, DType scales) {
  const bool is_known = bits >= 2 && bits <= 8 && bits != 7 &&
                        (group == 32 || group == 64 || group == 128) && scales <= DType::kBF16;
  Require(is_known, Status::kInternal, "affine format of {} bits, group {}, {} scales", bits, group,
          InfoOf(scales).name);
  WeightFormat out(DType::kU32);
  out.bits = static_cast<uint8_t>(bits);
  out.group = static_cast<uint8_t>(group);
  out.scales = scales;
  return out;
}

bool IsPackable(const WeightFormat& format) {
  return format.is_affine() || format.dtype <= DType::kIQ4_XS;
}

std::string NameOf(const WeightFormat& format) {
  if (!format.is_affine()) return std::string(InfoOf(format.dtype).name);
  return fmt::format("{}-bit affine, group {}, {} scales", format.bits, format.group,
                     InfoOf(format.scales).name);
}

std::string TypeDefine(const WeightFormat& format) {
  if (!format.is_affine()) return fmt::format("-D TYPE_{}", InfoOf(format.dtype).name);
  return fmt::format("-D TYPE_AFFINE -D AFFINE_BITS={} -D AFFINE_GROUP={} -D AFFINE_{}",
                     format.bits, format.group, InfoOf(format.scales).name);
}

int64_t BlockColumns(const WeightFormat& format) {
  return format.is_affine() ? format.group : InfoOf(format.dtype).block_elements;
}

uint64_t StoredRowBytes(const WeightFormat& format, int64_t cols) {
  const auto columns = static_cast<uint64_t>(cols);
  if (!format.is_affine()) return *BytesOf(format.dtype, columns);
  return columns * format.bits / 8 + columns / format.group * 2 * InfoOf(format.scales).block_bytes;
}

}  // namespace inference
