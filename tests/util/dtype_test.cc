#include "util/dtype.h"

#include <gtest/gtest.h>

namespace inference {
namespace {

TEST(DType, InfoOfEveryType) {
  struct Case {
    DType dtype;
    std::string_view name;
    uint32_t elements, bytes;
  };
  constexpr Case kCases[] = {
      {DType::kF32, "F32", 1, 4},       {DType::kF16, "F16", 1, 2},
      {DType::kBF16, "BF16", 1, 2},     {DType::kQ4_0, "Q4_0", 32, 18},
      {DType::kQ4_1, "Q4_1", 32, 20},   {DType::kQ5_0, "Q5_0", 32, 22},
      {DType::kQ5_1, "Q5_1", 32, 24},   {DType::kQ8_0, "Q8_0", 32, 34},
      {DType::kQ4_K, "Q4_K", 256, 144}, {DType::kQ5_K, "Q5_K", 256, 176},
      {DType::kQ6_K, "Q6_K", 256, 210}, {DType::kF64, "F64", 1, 8},
      {DType::kI8, "I8", 1, 1},         {DType::kU8, "U8", 1, 1},
      {DType::kI16, "I16", 1, 2},       {DType::kU16, "U16", 1, 2},
      {DType::kI32, "I32", 1, 4},       {DType::kU32, "U32", 1, 4},
      {DType::kI64, "I64", 1, 8},       {DType::kU64, "U64", 1, 8},
      {DType::kBool, "BOOL", 1, 1},     {DType::kIQ4_NL, "IQ4_NL", 32, 18},
      {DType::kMXFP4, "MXFP4", 32, 17}, {DType::kQ2_K, "Q2_K", 256, 84},
      {DType::kQ3_K, "Q3_K", 256, 110}, {DType::kIQ4_XS, "IQ4_XS", 256, 136},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(InfoOf(c.dtype).name, c.name);
    EXPECT_EQ(InfoOf(c.dtype).block_elements, c.elements) << c.name;
    EXPECT_EQ(InfoOf(c.dtype).block_bytes, c.bytes) << c.name;
  }
}

TEST(DType, BytesOf) {
  EXPECT_EQ(BytesOf(DType::kF32, 0), 0u);
  EXPECT_EQ(BytesOf(DType::kF32, 3), 12u);
  EXPECT_EQ(BytesOf(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(BytesOf(DType::kQ6_K, 256), 210u);
  EXPECT_EQ(BytesOf(DType::kQ4_0, 33), std::nullopt) << "not whole blocks";
  EXPECT_EQ(BytesOf(DType::kF32, uint64_t{1} << 62), std::nullopt) << "overflow";
  EXPECT_EQ(BytesOf(DType::kU8, UINT64_MAX), UINT64_MAX);
}

}  // namespace
}  // namespace inference
