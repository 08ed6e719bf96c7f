// What must open.
#include "formats/gguf.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/gguf_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

Gguf Open(const GgufWriter& writer) {
  const TempDir dir;
  return OpenGguf(dir.Write("m.gguf", writer.Build()));
}

std::string ReadAll(const TensorSet& set, std::string_view name) {
  const TensorEntry* entry = set.Find(name);
  std::string out(entry->bytes, '\0');
  set.Read(*entry, 0, std::as_writable_bytes(std::span(out)));
  return out;
}

TEST(Gguf, TensorsComeWithShapesOutermostFirst) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const Gguf gguf = Open(GgufWriter()
                             .TensorF32("a", {2, 3}, values)
                             .Tensor("b", GgufWriter::kTensorF16, {5}, "0123456789")
                             .Tensor("c", GgufWriter::kTensorI8, {1, 2, 1, 2}, "wxyz"));
  ASSERT_EQ(gguf.tensors.entries().size(), 3u);
  EXPECT_EQ(gguf.tensors.Find("a")->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(gguf.tensors.Find("a")->dtype, DType::kF32);
  EXPECT_EQ(gguf.tensors.Find("c")->shape, (std::vector<uint64_t>{1, 2, 1, 2}));
  EXPECT_EQ(ReadAll(gguf.tensors, "a").substr(0, 4), std::string("\0\0\x80\x3F", 4));
  EXPECT_EQ(ReadAll(gguf.tensors, "b"), "0123456789");
  EXPECT_EQ(ReadAll(gguf.tensors, "c"), "wxyz");
  EXPECT_EQ(gguf.tensors.Find("b")->offset % 32, 0u);
}

TEST(Gguf, EveryTensorType) {
  struct Case {
    GgufWriter::TensorType type;
    DType dtype;
    uint64_t elements, bytes;
  };
  using W = GgufWriter;
  constexpr Case kCases[] = {
      {W::kTensorF32, DType::kF32, 3, 12},        {W::kTensorF16, DType::kF16, 3, 6},
      {W::kTensorBF16, DType::kBF16, 3, 6},       {W::kTensorQ4_0, DType::kQ4_0, 64, 36},
      {W::kTensorQ4_1, DType::kQ4_1, 64, 40},     {W::kTensorQ5_0, DType::kQ5_0, 64, 44},
      {W::kTensorQ5_1, DType::kQ5_1, 64, 48},     {W::kTensorQ8_0, DType::kQ8_0, 64, 68},
      {W::kTensorQ4_K, DType::kQ4_K, 512, 288},   {W::kTensorQ5_K, DType::kQ5_K, 512, 352},
      {W::kTensorQ6_K, DType::kQ6_K, 512, 420},   {W::kTensorI8, DType::kI8, 3, 3},
      {W::kTensorI16, DType::kI16, 3, 6},         {W::kTensorI32, DType::kI32, 3, 12},
      {W::kTensorI64, DType::kI64, 3, 24},        {W::kTensorF64, DType::kF64, 3, 24},
      {W::kTensorQ2_K, DType::kQ2_K, 512, 168},   {W::kTensorQ3_K, DType::kQ3_K, 512, 220},
      {W::kTensorIQ4_NL, DType::kIQ4_NL, 64, 36}, {W::kTensorIQ4_XS, DType::kIQ4_XS, 512, 272},
      {W::kTensorMXFP4, DType::kMXFP4, 64, 34},
  };
  for (const Case& c : kCases) {
    const std::string data(c.bytes, 'q');
    const Gguf gguf = Open(GgufWriter().Tensor("w", c.type, {1, c.elements}, data));
    EXPECT_EQ(gguf.tensors.Find("w")->dtype, c.dtype);
    EXPECT_EQ(ReadAll(gguf.tensors, "w"), data);
  }
}

TEST(Gguf, TensorTypesThatAreNotRead) {
  const auto expect = [](Status status, uint32_t type, const std::string& message) {
    const TempDir dir;
    const std::string path = dir.Write(
        "m.gguf",
        GgufWriter().Tensor("the.tensor", type, {1, 256}, std::string(4096, 'q')).Build());
    ExpectError(status, {path + ": tensor 'the.tensor': type " + message}, [&] { OpenGguf(path); });
  };
  const std::pair<uint32_t, const char*> kKnown[] = {
      {9, "Q8_1"},     {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
      {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"},   {22, "IQ2_S"},
      {29, "IQ1_M"},   {34, "TQ1_0"}, {35, "TQ2_0"},   {40, "NVFP4"}};
  for (const auto& [type, name] : kKnown) {
    expect(Status::kUnsupported, type, fmt::format("{} ({}) is not supported", name, type));
  }
  for (const uint32_t type : {4u, 5u, 31u, 36u, 1000000u, UINT32_MAX}) {  // 4 and 5 were withdrawn
    expect(Status::kFormat, type, fmt::format("{} is unknown", type));
  }
}

TEST(Gguf, EveryValueType) {
  using W = GgufWriter;
  const Gguf gguf = Open(W().Scalar<uint8_t>("u8", W::kU8, 255)
                             .Scalar<int8_t>("i8", W::kI8, -128)
                             .Scalar<uint16_t>("u16", W::kU16, 65535)
                             .Scalar<int16_t>("i16", W::kI16, -32768)
                             .U32("u32", UINT32_MAX)
                             .I32("i32", INT32_MIN)
                             .F32("f32", 1e-5f)
                             .Bool("yes", true)
                             .Bool("no", false)
                             .String("text", std::string_view("a\0\xFF", 3))
                             .U64("u64", INT64_MAX)
                             .Scalar<int64_t>("i64", W::kI64, INT64_MIN)
                             .Scalar<double>("f64", W::kF64, 0.1));
  const GgufMetadata& m = gguf.metadata;
  EXPECT_EQ(m.values().size(), 13u);
  EXPECT_EQ(m.GetInt("u8", 0, 255), 255);
  EXPECT_EQ(m.GetInt("i8", -128, 0), -128);
  EXPECT_EQ(m.GetInt("u16", 0, 65535), 65535);
  EXPECT_EQ(m.GetInt("i16", -32768, 0), -32768);
  EXPECT_EQ(m.GetInt("u32", 0, UINT32_MAX), UINT32_MAX);
  EXPECT_EQ(m.GetInt("i32", INT32_MIN, 0), INT32_MIN);
  EXPECT_EQ(m.GetInt("u64", 0, INT64_MAX), INT64_MAX);
  EXPECT_EQ(m.GetInt("i64", INT64_MIN, 0), INT64_MIN);
  EXPECT_EQ(m.GetFloat("f32"), static_cast<double>(1e-5f));
  EXPECT_EQ(m.GetFloat("f64"), 0.1);
  EXPECT_EQ(m.FindBool("yes"), true);
  EXPECT_EQ(m.FindBool("no"), false);
  EXPECT_EQ(m.GetString("text"), std::string_view("a\0\xFF", 3));
}

TEST(Gguf, Arrays) {
  using W = GgufWriter;
  const Gguf gguf = Open(W().Strings("strings", {"a", "", "ccc"})
                             .F32s("floats", {0.5f, -1.0f})
                             .Numbers<double>("doubles", W::kF64, {0.1})
                             .I32s("ints", {-1, 2, 3})
                             .Numbers<uint8_t>("bytes", W::kU8, {7, 255})
                             .Numbers<uint8_t>("bools", W::kBool, {1, 0})
                             .Strings("none", {}));
  const GgufMetadata& m = gguf.metadata;
  EXPECT_EQ(*m.FindStrings("strings"), (std::vector<std::string>{"a", "", "ccc"}));
  EXPECT_EQ(*m.FindFloats("floats"), (std::vector<double>{0.5, -1}));
  EXPECT_EQ(*m.FindFloats("doubles"), (std::vector<double>{0.1}));
  EXPECT_EQ(*m.FindInts("ints"), (std::vector<int64_t>{-1, 2, 3}));
  EXPECT_EQ(*m.FindInts("bytes"), (std::vector<int64_t>{7, 255}));
  EXPECT_EQ(std::get<std::vector<bool>>(m.values().at("bools")), (std::vector<bool>{true, false}));
  EXPECT_TRUE(m.FindStrings("none")->empty());
}

TEST(Gguf, Version2HasTheSameLayout) {
  const Gguf gguf = Open(GgufWriter(2).U32("n", 5).Tensor("w", GgufWriter::kTensorI8, {1}, "x"));
  EXPECT_EQ(gguf.metadata.GetInt("n", 0, 9), 5);
  EXPECT_EQ(ReadAll(gguf.tensors, "w"), "x");
}

TEST(Gguf, EmptyFileOfKeysOnly) {
  EXPECT_TRUE(Open(GgufWriter()).tensors.entries().empty());
  EXPECT_TRUE(Open(GgufWriter().String("a", "b")).metadata.Has("a"));
}

TEST(Gguf, AlignmentOfTheFile) {
  for (const uint32_t alignment : {1u, 8u, 64u, 4096u, 1u << 20}) {
    const Gguf gguf = Open(GgufWriter()
                               .Alignment(alignment)
                               .Tensor("a", GgufWriter::kTensorI8, {3}, "aaa")
                               .Tensor("b", GgufWriter::kTensorI8, {2}, "bb"));
    EXPECT_EQ(ReadAll(gguf.tensors, "a"), "aaa") << alignment;
    EXPECT_EQ(ReadAll(gguf.tensors, "b"), "bb") << alignment;
    EXPECT_EQ(gguf.tensors.Find("b")->offset % alignment, 0u);
  }
}

TEST(Gguf, OffsetsNeedNotFollowTheOrderOfTensorsAndMayLeaveGaps) {
  const std::string data = "early" + std::string(59, '-') + "late";
  std::string file = GgufWriter()
                         .TensorInfo("late", GgufWriter::kTensorI8, {4}, 64)
                         .TensorInfo("early", GgufWriter::kTensorI8, {5}, 0)
                         .Build();
  file.resize((file.size() + 31) / 32 * 32);
  const TempDir dir;
  const Gguf gguf = OpenGguf(dir.Write("m.gguf", file + data));
  EXPECT_EQ(ReadAll(gguf.tensors, "late"), "late");
  EXPECT_EQ(ReadAll(gguf.tensors, "early"), "early");
}

// Strings that fall across the reader's buffer, and one far larger than it.
TEST(Gguf, LargeMetadata) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 120'000; ++i) tokens.push_back(std::string(static_cast<size_t>(i % 23), 't'));
  std::vector<float> scores(tokens.size());
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = -static_cast<float>(i);
  const std::string large(3 << 20, 'L'), medium(300'000, 'M');
  const Gguf gguf = Open(GgufWriter()
                             .Strings("tokens", tokens)
                             .String("large", large)
                             .F32s("scores", scores)
                             .String("medium", medium)
                             .Strings("mixed", {"a", large, "b", medium, ""})
                             .Tensor("w", GgufWriter::kTensorI8, {4}, "data"));
  EXPECT_EQ(*gguf.metadata.FindStrings("tokens"), tokens);
  EXPECT_EQ(gguf.metadata.GetString("large"), large);
  EXPECT_EQ(gguf.metadata.GetString("medium"), medium);
  EXPECT_EQ(gguf.metadata.FindFloats("scores")->back(), static_cast<double>(scores.back()));
  EXPECT_EQ((*gguf.metadata.FindStrings("mixed"))[1], large);
  EXPECT_EQ((*gguf.metadata.FindStrings("mixed"))[3], medium);
  EXPECT_EQ(ReadAll(gguf.tensors, "w"), "data");
}

TEST(Gguf, ManyKeys) {
  GgufWriter writer;
  for (int i = 0; i < 65'536; ++i) writer.Bool(fmt::to_string(i), true);
  EXPECT_EQ(Open(writer).metadata.values().size(), 65'536u);
}

}  // namespace
}  // namespace inference
