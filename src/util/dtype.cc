#include "util/dtype.h"

#include <array>

#include "util/checked.h"

namespace inference {

const DTypeInfo& InfoOf(DType dtype) {
  static constexpr std::array<DTypeInfo, 26> kInfo = {{
      {"F32", 1, 4},      {"F16", 1, 2},      {"BF16", 1, 2},     {"Q4_0", 32, 18},
      {"Q4_1", 32, 20},   {"Q5_0", 32, 22},   {"Q5_1", 32, 24},   {"Q8_0", 32, 34},
      {"IQ4_NL", 32, 18}, {"MXFP4", 32, 17},  {"Q2_K", 256, 84},  {"Q3_K", 256, 110},
      {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210}, {"IQ4_XS", 256, 136},
      {"F64", 1, 8},      {"I8", 1, 1},       {"U8", 1, 1},       {"I16", 1, 2},
      {"U16", 1, 2},      {"I32", 1, 4},      {"U32", 1, 4},      {"I64", 1, 8},
      {"U64", 1, 8},      {"BOOL", 1, 1},
  }};
  return kInfo[static_cast<size_t>(dtype)];
}

std::optional<uint64_t> BytesOf(DType dtype, uint64_t elements) {
  const DTypeInfo& info = InfoOf(dtype);
  if (elements % info.block_elements != 0) return std::nullopt;
  return CheckedMul(elements / info.block_elements, info.block_bytes);
}

}  // namespace inference
