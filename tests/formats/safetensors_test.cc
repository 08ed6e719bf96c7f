// What must open.
#include "formats/safetensors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

std::string ReadAll(const TensorSet& set, std::string_view name) {
  const TensorEntry* entry = set.Find(name);
  std::string out(entry->bytes, '\0');
  set.Read(*entry, 0, std::as_writable_bytes(std::span(out)));
  return out;
}

TensorSet Open(std::string_view header, std::string_view data) {
  const TempDir dir;
  return OpenSafetensors(dir.Write("m.safetensors", SafetensorsFile(header, data)));
}

TEST(Safetensors, NamesTypesShapesAndBytes) {
  const TensorSet set = Open(R"({"__metadata__":{"format":"pt","note":""},)"
                             R"("a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                             R"("b":{"shape":[3],"data_offsets":[8,14],"dtype":"BF16"}})",
                             "AAAAaaaaBBbbBB");
  ASSERT_EQ(set.entries().size(), 2u);
  EXPECT_EQ(set.entries()[0].name, "a");
  EXPECT_EQ(set.entries()[0].dtype, DType::kF32);
  EXPECT_EQ(set.entries()[0].shape, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(set.entries()[1].dtype, DType::kBF16);
  EXPECT_EQ(set.entries()[1].bytes, 6u);
  EXPECT_EQ(set.total_bytes(), 14u);
  EXPECT_EQ(ReadAll(set, "a"), "AAAAaaaa");
  EXPECT_EQ(ReadAll(set, "b"), "BBbbBB");
}

TEST(Safetensors, MetadataMayBeNull) {  // as mlx.core.save_safetensors writes it
  const TensorSet set =
      Open(R"({"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "A");
  ASSERT_EQ(set.entries().size(), 1u);
  EXPECT_EQ(ReadAll(set, "a"), "A");
}

TEST(Safetensors, EveryDType) {
  struct Case {
    const char* name;
    DType dtype;
    int bytes;
  };
  constexpr Case kCases[] = {
      {"F64", DType::kF64, 8},   {"F32", DType::kF32, 4}, {"F16", DType::kF16, 2},
      {"BF16", DType::kBF16, 2}, {"I64", DType::kI64, 8}, {"I32", DType::kI32, 4},
      {"I16", DType::kI16, 2},   {"I8", DType::kI8, 1},   {"U64", DType::kU64, 8},
      {"U32", DType::kU32, 4},   {"U16", DType::kU16, 2}, {"U8", DType::kU8, 1},
      {"BOOL", DType::kBool, 1},
  };
  for (const Case& c : kCases) {
    const TensorSet set =
        Open(fmt::format(R"({{"w":{{"dtype":"{}","shape":[1],"data_offsets":[0,{}]}}}})", c.name,
                         c.bytes),
             std::string(static_cast<size_t>(c.bytes), 'x'));
    EXPECT_EQ(set.Find("w")->dtype, c.dtype) << c.name;
  }
}

TEST(Safetensors, EmptyHeaderHasNoTensors) { EXPECT_TRUE(Open("{}", "").entries().empty()); }

TEST(Safetensors, UnalignedDataBehindAnOddHeader) {
  std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  if (header.size() % 2 == 0) header += ' ';
  const float values[] = {1.5f, -2.25f};
  const TensorSet set = Open(header, {reinterpret_cast<const char*>(values), sizeof(values)});
  EXPECT_EQ(set.Find("w")->offset % 2, 1u);
  float out[2];
  set.Read(*set.Find("w"), 0, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(std::memcmp(out, values, sizeof(values)), 0);
}

TEST(Safetensors, HeaderOrderNeedNotBeOffsetOrder) {
  const TensorSet set = Open(R"({"late":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},)"
                             R"("early":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})",
                             "eeell");
  EXPECT_EQ(set.entries()[0].name, "late");
  EXPECT_EQ(ReadAll(set, "late"), "ll");
  EXPECT_EQ(ReadAll(set, "early"), "eee");
}

TEST(Safetensors, ScalarAndEmptyTensors) {
  const TensorSet set = Open(R"({"s":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                             R"("z":{"dtype":"F32","shape":[3,0],"data_offsets":[1,1]},)"
                             R"("y":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
                             R"("w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                             "sww");
  EXPECT_TRUE(set.Find("s")->shape.empty());
  EXPECT_EQ(ReadAll(set, "s"), "s");
  EXPECT_EQ(set.Find("z")->bytes, 0u);
  EXPECT_EQ(ReadAll(set, "w"), "ww");
}

TEST(Safetensors, TrailingSpacesInHeader) {
  const TensorSet set =
      Open(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}       )", "ww");
  EXPECT_EQ(ReadAll(set, "w"), "ww");
}

TEST(Safetensors, NamesAreAnyText) {
  const TensorSet set = Open(R"({"\u00e9\n.\"q\"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                             "ab");
  EXPECT_EQ(ReadAll(set, "\xC3\xA9\n.\"q\""), "a");
  EXPECT_EQ(ReadAll(set, ""), "b");
}

TEST(Safetensors, HundredThousandTensors) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    header += fmt::format(
        R"("layers.{}.weight":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}},)", i, i, i + 1);
  }
  header.back() = '}';
  const TensorSet set = Open(header, std::string(100'000, 'x'));
  EXPECT_EQ(set.entries().size(), 100'000u);
  EXPECT_EQ(set.Find("layers.99999.weight")->bytes, 1u);
}

}  // namespace
}  // namespace inference
