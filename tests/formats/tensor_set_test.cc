#include "formats/tensor_set.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

TensorEntry Entry(std::string name, uint64_t offset, uint64_t bytes, uint32_t file) {
  return {std::move(name), DType::kU8, {bytes}, offset, bytes, file};
}

TEST(TensorSet, FindsAndReads) {
  const TempDir dir;
  TensorSet set;
  EXPECT_EQ(set.AddFile(File::Open(dir.Write("a", "0123456789"))), 0u);
  EXPECT_EQ(set.AddFile(File::Open(dir.Write("b", "abcdefghij"))), 1u);
  set.Add(Entry("x", 2, 3, 0));
  set.Add(Entry("y", 5, 5, 1));
  EXPECT_EQ(set.total_bytes(), 8u);
  EXPECT_EQ(set.file_count(), 2u);
  EXPECT_EQ(set.entries().size(), 2u);
  ASSERT_NE(set.Find("y"), nullptr);
  EXPECT_EQ(set.Find("z"), nullptr);
  std::string out(3, '\0');
  set.Read(*set.Find("y"), 1, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "ghi");
  set.Read(*set.Find("x"), 0, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "234");
  ExpectError(Status::kInternal, {"tensor 'x': reads 3 bytes at 1, the tensor has 3"},
              [&] { set.Read(*set.Find("x"), 1, std::as_writable_bytes(std::span(out))); });
  ExpectError(Status::kInternal, {"reads 3 bytes at 18446744073709551615"}, [&] {
    set.Read(*set.Find("x"), UINT64_MAX, std::as_writable_bytes(std::span(out)));
  });
}

TEST(TensorSet, DuplicateNamesNameBothFiles) {
  const TempDir dir;
  TensorSet set;
  const std::string a = dir.Write("a", "0"), b = dir.Write("b", "0");
  set.AddFile(File::Open(a));
  set.AddFile(File::Open(b));
  set.Add(Entry("x", 0, 1, 0));
  ExpectError(Status::kFormat, {a, "duplicate tensor 'x', the first is in this file"},
              [&] { set.Add(Entry("x", 0, 1, 0)); });
  ExpectError(Status::kFormat, {b, "duplicate tensor 'x', the first is in " + a},
              [&] { set.Add(Entry("x", 0, 1, 1)); });
}

TEST(TensorSet, CountLimit) {
  const TempDir dir;
  TensorSet set;
  set.AddFile(File::Open(dir.Write("a", "")));
  for (size_t i = 0; i < TensorSet::kMaxTensors; ++i) set.Add(Entry(std::to_string(i), 0, 0, 0));
  ExpectError(Status::kLimit, {dir.Path("a"), "more than 262144 tensors"},
              [&] { set.Add(Entry("one more", 0, 0, 0)); });
}

TEST(TensorBytes, SizesAndTheirErrors) {
  const TempDir dir;
  const File file = File::Open(dir.Write("a", ""));
  const auto bytes = [&](DType dtype, std::vector<uint64_t> shape) {
    return TensorBytes(file, "w", dtype, shape);
  };
  EXPECT_EQ(bytes(DType::kF32, {}), 4u);
  EXPECT_EQ(bytes(DType::kF16, {3, 5}), 30u);
  EXPECT_EQ(bytes(DType::kQ4_0, {3, 64}), 108u);
  EXPECT_EQ(bytes(DType::kF32, {3, 0, 5}), 0u);
  EXPECT_EQ(bytes(DType::kU8, {UINT64_MAX}), UINT64_MAX);
  const uint64_t half = uint64_t{1} << 63, word = uint64_t{1} << 32;
  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{word, word}, {half, 2, 0}, {0, half, 2}, {half}, {word, word / 4}}) {
    ExpectError(Status::kFormat, {dir.Path("a"), "tensor 'w': size of F32 [", "overflows"},
                [&] { bytes(DType::kF32, shape); });
  }
  ExpectError(Status::kFormat, {"tensor 'w': rows have 33 elements, Q4_0 wants a multiple of 32"},
              [&] {
                bytes(DType::kQ4_0, {32, 33});
              });
  ExpectError(Status::kFormat, {"Q6_K wants a multiple of 256"}, [&] {
    bytes(DType::kQ6_K, {256, 32});
  });
  ExpectError(Status::kFormat, {"rows have 1 elements"}, [&] { bytes(DType::kQ8_0, {}); });
}

}  // namespace
}  // namespace inference
