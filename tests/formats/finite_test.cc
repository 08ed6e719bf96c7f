#include "formats/finite.h"

#include <gtest/gtest.h>

#include <bit>
#include <optional>
#include <vector>

#include "formats/safetensors.h"
#include "support/byte_writer.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

// The file `name`.safetensors with one tensor 'w' of `count` elements.
TensorSet OneTensor(const TempDir& dir, std::string_view dtype, size_t count,
                    const std::string& data) {
  const std::string header = fmt::format(
      R"({{"w":{{"dtype":"{}","shape":[{}],"data_offsets":[0,{}]}}}})", dtype, count, data.size());
  return OpenSafetensors(dir.Write("w.safetensors", SafetensorsFile(header, data)));
}

// Three good values around the bits of one that is not finite.
template <typename Bits>
void ExpectFound(std::string_view dtype, Bits good, std::initializer_list<Bits> bad) {
  const TempDir dir;
  const std::string fine = ByteWriter().Put(good).Put(good).Put(good).bytes();
  EXPECT_NO_THROW(CheckFinite(OneTensor(dir, dtype, 3, fine), nullptr));
  for (const Bits bits : bad) {
    const std::string data = ByteWriter().Put(good).Put(good).Put(bits).bytes();
    const TensorSet set = OneTensor(dir, dtype, 3, data);
    ExpectError(Status::kNumeric,
                {dir.Path("w.safetensors"), "tensor 'w': value 2 of 3 is not a finite number"},
                [&] { CheckFinite(set, nullptr); });
  }
}

TEST(CheckFinite, EveryFloatType) {
  ExpectFound<uint16_t>("F16", 0x7BFF, {0x7C00, 0xFC00, 0x7E00, 0xFC01});
  ExpectFound<uint16_t>("BF16", 0xFF7F, {0x7F80, 0xFF80, 0x7FC0, 0xFF81});
  ExpectFound<uint32_t>("F32", 0xFF7FFFFF, {0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001});
  ExpectFound<uint64_t>("F64", 0x7FEFFFFFFFFFFFFF,
                        {0x7FF0000000000000, 0xFFF0000000000000, 0x7FF0000000000001});
}

TEST(FindNotFinite, TypesWithoutInfinitiesHaveNone) {
  const std::vector<std::byte> ones(16, std::byte{0xFF});
  EXPECT_EQ(FindNotFinite(DType::kF32, ones), size_t{0});
  EXPECT_EQ(FindNotFinite(DType::kF32, {}), std::nullopt);
  for (const DType type : {DType::kU8, DType::kI32, DType::kU64, DType::kBool}) {
    EXPECT_EQ(FindNotFinite(type, ones), std::nullopt);
  }
}

TEST(CheckFinite, DenormalsAndNegativeZeroAreFine) {
  const TempDir dir;
  const std::string data = ByteWriter().Put(0x80000000u).Put(1u).Put(0x807FFFFFu).bytes();
  EXPECT_NO_THROW(CheckFinite(OneTensor(dir, "F32", 3, data), nullptr));
}

TEST(CheckFinite, PastTheFirstChunk) {
  const TempDir dir;
  constexpr size_t kCount = 600'000;
  std::string data(kCount * 2, '\0');
  data[2 * 599'999] = '\x00';
  data[2 * 599'999 + 1] = '\x7C';
  ExpectError(Status::kNumeric, {"value 599999 of 600000"},
              [&] { CheckFinite(OneTensor(dir, "F16", kCount, data), nullptr); });
}

TEST(CheckFinite, IntegersAreNotLookedAt) {
  const TempDir dir;
  EXPECT_NO_THROW(CheckFinite(OneTensor(dir, "I16", 1, "\xFF\xFF"), nullptr));
}

TEST(CheckFinite, Cancels) {
  const TempDir dir;
  CancelFlag cancel;
  cancel.Trigger();
  const TensorSet set = OneTensor(dir, "F16", 1, std::string(2, '\0'));
  ExpectError(Status::kCancelled, {"weight check: cancelled"}, [&] { CheckFinite(set, &cancel); });
}

}  // namespace
}  // namespace inference
