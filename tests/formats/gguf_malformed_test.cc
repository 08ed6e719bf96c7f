// What must be refused, and how: one case a line, with what its message must name.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "formats/gguf.h"
#include "support/expect_error.h"
#include "support/gguf_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

using W = GgufWriter;

constexpr uint64_t kHuge[] = {uint64_t{1} << 63, UINT64_MAX, uint64_t{1} << 62};

class GgufMalformed : public testing::Test {
 protected:
  void ExpectBad(std::string_view content, std::initializer_list<std::string_view> parts,
                 Status status = Status::kFormat) {
    const std::string path = dir_.Write("bad.gguf", content);
    ExpectError(status, {path}, [&] { OpenGguf(path); });
    ExpectError(status, parts, [&] { OpenGguf(path); });
  }
  void ExpectBad(const GgufWriter& writer, std::initializer_list<std::string_view> parts,
                 Status status = Status::kFormat) {
    ExpectBad(writer.Build(), parts, status);
  }
  // The one key 'k' of `type`, then `value` as it is.
  void ExpectBadValue(uint32_t type, const ByteWriter& value,
                      std::initializer_list<std::string_view> parts,
                      Status status = Status::kFormat) {
    const ByteWriter file = Head(0, 1).String("k").Put(type).Raw(value.bytes());
    ExpectBad(file.bytes(), {"key 'k'"}, status);
    ExpectBad(file.bytes(), parts, status);
  }

  static ByteWriter Head(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return ByteWriter().Raw("GGUF").Put(version).Put(tensors).Put(keys);
  }

  TempDir dir_;
};

TEST_F(GgufMalformed, MagicAndVersion) {
  ExpectBad("", {"magic: needs 4 bytes at byte 0, the file has 0 left"});
  ExpectBad("GGU", {"magic: needs 4 bytes at byte 0, the file has 3 left"});
  ExpectBad("GGML....................", {"magic: is 0x4c4d4747, expected 0x46554747"});
  ExpectBad("GGUF", {"version: needs 4 bytes at byte 4, the file has 0 left"});
  for (const uint32_t version : {0u, 1u, 4u, UINT32_MAX, 0x03000000u}) {
    ExpectBad(Head(0, 0, version).bytes(),
              {fmt::format("version: is {}, expected 2 or 3", version)});
  }
}

TEST_F(GgufMalformed, Counts) {
  for (const uint64_t count :
       {uint64_t{1} << 63, UINT64_MAX, uint64_t{1'000'000'000}, UINT64_MAX / 33 + 1, uint64_t{1}}) {
    ExpectBad(Head(count, 0).bytes(),
              {fmt::format("n_tensors: {} entries need at least 33 bytes each", count),
               "the file has 0 bytes left"},
              Status::kLimit);
    ExpectBad(Head(0, count).bytes(),
              {fmt::format("n_kv: {} entries need at least 14 bytes each", count)}, Status::kLimit);
  }
  const std::string path = dir_.WriteSparse("big.gguf", Head(300'000, 0).bytes(), 64 << 20);
  ExpectError(Status::kLimit, {path, "n_tensors: is 300000, expected at most 262144"},
              [&] { OpenGguf(path); });
  dir_.WriteSparse("big.gguf", Head(0, 1'000'000).bytes(), 64 << 20);
  ExpectError(Status::kLimit, {path, "n_kv: is 1000000, expected at most 65536"},
              [&] { OpenGguf(path); });
}

TEST_F(GgufMalformed, Keys) {
  for (const uint64_t length : {UINT64_MAX, uint64_t{1} << 30, uint64_t{21}}) {
    ExpectBad(Head(0, 1).Put(length).Raw(std::string(20, 'k')).bytes(),
              {"a key: needs", "the file has 20 left"});
  }
  ExpectBad(W().U32("", 1).String("pad", "pad"), {"key #0: is ''", "expected 1..65535 bytes"});
  ExpectBad(W().U32("a", 1).U32(std::string_view("b\0", 2), 1), {"key #1: is 'b\\x00'"});
  ExpectBad(W().U32("\xFF\xFE", 1), {"key #0: is '\\xff\\xfe'", "UTF-8"});
  ExpectBad(W().U32(std::string(65'536, 'k'), 1), {"key #0", "expected 1..65535 bytes"});
  ExpectBad(W().U32("a", 1).U32("b", 1).String("a", ""), {"duplicate key 'a'"});
}

TEST_F(GgufMalformed, ValueTypes) {
  for (const uint32_t type : {13u, UINT32_MAX, 1u << 31}) {
    ExpectBadValue(type, ByteWriter().Put<uint64_t>(0),
                   {fmt::format("value type {} is unknown, expected 0..12", type)});
    ExpectBadValue(W::kArray, ByteWriter().Put(type).Put<uint64_t>(0),
                   {fmt::format("value type {} is unknown", type)});
  }
  ExpectBadValue(W::kBool, ByteWriter().Put<uint8_t>(7), {"bool is 7, expected 0 or 1"});
  ExpectBadValue(W::kU64, ByteWriter().Put<uint64_t>(uint64_t{1} << 63),
                 {"is 9223372036854775808, expected at most 9223372036854775807"});
}

TEST_F(GgufMalformed, Strings) {
  for (const uint64_t length : {UINT64_MAX, uint64_t{1} << 30, uint64_t{5}}) {
    ExpectBadValue(W::kString, ByteWriter().Put(length).Raw("text"),
                   {"needs", "the file has 4 left"});
    ExpectBadValue(W::kArray, ByteWriter().Put<uint32_t>(W::kString).Put<uint64_t>(1).Put(length),
                   {"needs", "the file has 0 left"});
  }
  ByteWriter large = Head(0, 1).String("k").Put<uint32_t>(W::kString).Put<uint64_t>(300 << 20);
  const std::string path = dir_.WriteSparse("large.gguf", large.bytes(), uint64_t{1} << 30);
  ExpectError(Status::kLimit, {path, "key 'k'", "this part of a file may have 268435456"},
              [&] { OpenGguf(path); });
}

TEST_F(GgufMalformed, Arrays) {
  for (const uint32_t type : {W::kU8, W::kBool, W::kU16, W::kF32, W::kU64, W::kString}) {
    for (const uint64_t count : kHuge) {
      ExpectBadValue(W::kArray, ByteWriter().Put(type).Put(count).Raw("some"),
                     {fmt::format("needs {} ", count), "the file has 4 left"});
    }
  }
  ByteWriter nested;
  for (int i = 0; i < 10'000; ++i) nested.Put<uint32_t>(W::kArray).Put<uint64_t>(1);
  ExpectBadValue(W::kArray, nested, {"nested array is not supported"}, Status::kUnsupported);
  ExpectBadValue(W::kArray, ByteWriter().Put<uint32_t>(W::kBool).Put<uint64_t>(2).Raw("\x01\x07"),
                 {"bool is 7"});
  ByteWriter many = Head(0, 1).String("k").Put<uint32_t>(W::kArray).Put<uint32_t>(W::kU8);
  many.Put<uint64_t>((8 << 20) + 1);
  const std::string path = dir_.WriteSparse("many.gguf", many.bytes(), 16 << 20);
  ExpectError(Status::kLimit,
              {path, "8388609 array elements, all arrays together may have 8388608"},
              [&] { OpenGguf(path); });
}

TEST_F(GgufMalformed, Alignment) {
  constexpr std::string_view kKey = "general.alignment";
  for (const uint32_t value : {0u, 3u, 13u, 1u << 21, 1u << 31}) {
    ExpectBad(W().U32(kKey, value), {fmt::format("key 'general.alignment': is {}, expected a power "
                                                 "of two <= 1048576",
                                                 value)});
  }
  ExpectBad(W().I32(kKey, 32), {"key 'general.alignment': has value type 5, expected 4 (u32)"});
  ExpectBad(W().String(kKey, "32"), {"has value type 8, expected 4 (u32)"});
  ExpectBad(W().U64(kKey, 32), {"has value type 10, expected 4 (u32)"});
  ExpectBad(W().U32(kKey, 32).U32(kKey, 32), {"duplicate key 'general.alignment'"});
}

TEST_F(GgufMalformed, TensorNames) {
  const auto named = [](std::string_view name) {
    return W().Tensor(name, W::kTensorI8, {4}, "data");
  };
  EXPECT_NO_THROW(OpenGguf(dir_.Write("ok.gguf", named(std::string(63, 'n')).Build())));
  ExpectBad(named(std::string(64, 'n')), {"tensor #0: name is 'nnn", "expected 1..63 bytes"});
  ExpectBad(named(""), {"tensor #0: name is ''"});
  ExpectBad(named(std::string_view("a\0b", 3)), {"tensor #0: name is 'a\\x00b'"});
  ExpectBad(named("\x80"), {"tensor #0: name is '\\x80'"});
  ExpectBad(named("w").Tensor("w", W::kTensorI8, {4}, "data"), {"duplicate tensor 'w'"});
  ExpectBad(Head(1, 0).Put<uint64_t>(UINT64_MAX).Raw(std::string(40, 'n')).bytes(),
            {"a tensor name: needs 18446744073709551615 bytes"});
}

TEST_F(GgufMalformed, Dimensions) {
  for (const uint32_t dims : {0u, 5u, 9u, UINT32_MAX}) {
    ExpectBad(Head(1, 0).String("w").Put(dims).Raw(std::string(64, '\0')).bytes(),
              {fmt::format("tensor 'w': has {} dimensions, expected 1..4", dims)});
  }
  const auto shaped = [](const std::vector<uint64_t>& shape, uint32_t type = W::kTensorF32) {
    return W().TensorInfo("w", type, shape, 0);
  };
  ExpectBad(shaped({0}), {"tensor 'w': dimension 0 is 0, expected at least 1"});
  ExpectBad(shaped({0, 4}), {"dimension 1 is 0"});
  ExpectBad(shaped({UINT64_MAX}), {"dimension 0 is -1"});
  ExpectBad(shaped({uint64_t{1} << 63}), {"dimension 0 is -9223372036854775808"});
  constexpr uint64_t kWord = uint64_t{1} << 32;
  ExpectBad(shaped({kWord, kWord}), {"tensor 'w': size of F32 [4294967296, 4294967296] overflows"});
  ExpectBad(shaped({uint64_t{1} << 62, 4}), {"overflows"});
  ExpectBad(shaped({kWord, kWord / 4}), {"overflows"});
  ExpectBad(shaped({INT64_MAX, 1, 1, 2}, W::kTensorF64), {"overflows"});
  ExpectBad(shaped({kWord, kWord / 2}, W::kTensorQ4_0),
            {"tensor 'w': 5188146770730811392 bytes at offset 0 run past the end"});
}

TEST_F(GgufMalformed, TensorTypes) {
  const auto typed = [](uint32_t type) {
    return W().Tensor("w", type, {1, 256}, std::string(8, 'd'));
  };
  for (const uint32_t type : {UINT32_MAX, 4u, 5u, 31u, 36u, 1'000'000u}) {
    ExpectBad(typed(type), {fmt::format("tensor 'w': type {} is unknown", type)});
  }
  struct Case {
    uint32_t number;
    const char* name;
  };
  constexpr Case kKnown[] = {{9, "Q8_1"},     {10, "Q2_K"},   {11, "Q3_K"},    {15, "Q8_K"},
                             {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
                             {20, "IQ4_NL"},  {21, "IQ3_S"},  {22, "IQ2_S"},   {23, "IQ4_XS"},
                             {29, "IQ1_M"},   {34, "TQ1_0"},  {35, "TQ2_0"},   {39, "MXFP4"}};
  for (const Case& c : kKnown) {
    ExpectBad(typed(c.number),
              {fmt::format("tensor 'w': type {} ({}) is not supported", c.name, c.number)},
              Status::kUnsupported);
  }
  ExpectBad(W().TensorInfo("w", W::kTensorQ4_0, {32, 33}, 0),
            {"tensor 'w': rows have 33 elements, Q4_0 wants a multiple of 32"});
  ExpectBad(W().TensorInfo("w", W::kTensorQ6_K, {256, 128}, 0), {"Q6_K wants a multiple of 256"});
}

TEST_F(GgufMalformed, Offsets) {
  const auto at = [](uint64_t offset) {
    return W()
        .Tensor("a", W::kTensorI8, {64}, std::string(64, 'a'))
        .TensorInfo("w", W::kTensorI8, {32}, offset);
  };
  ExpectBad(at(1), {"tensor 'w': offset 1 is not a multiple of the alignment 32"});
  ExpectBad(at(UINT64_MAX), {"is not a multiple"});
  ExpectBad(at(UINT64_MAX - 31), {"32 bytes at offset 18446744073709551584 run past the end, the "
                                  "file has 64 data bytes"});
  ExpectBad(at(64), {"tensor 'w': 32 bytes at offset 64 run past the end"});
  ExpectBad(at(0), {"which tensor", "still fills up to byte"});
  ExpectBad(at(32), {"tensor 'w': begins at byte", "which tensor 'a' still fills"});
  ExpectBad(W().TensorInfo("w", W::kTensorI8, {1}, 0),
            {"1 bytes at offset 0 run past the end, the file has 0 data bytes"});
  // The region up to the next tensor is smaller than the type needs.
  ExpectBad(W().TensorInfo("a", W::kTensorF32, {16}, 0)
                .Tensor("b", W::kTensorI8, {96}, std::string(96, 'b')),
            {"which tensor"});
}

TEST_F(GgufMalformed, SumOfSizesWraps) {
  GgufWriter writer;
  writer.Tensor("a", W::kTensorI8, {32}, std::string(32, 'a'));
  for (int i = 0; i < 4; ++i) {
    writer.TensorInfo(fmt::format("w{}", i), W::kTensorI8, {uint64_t{1} << 62}, 0);
  }
  ExpectBad(writer, {"tensor 'w0': 4611686018427387904 bytes at offset 0 run past the end"});
}

TEST_F(GgufMalformed, EveryTruncation) {
  const std::string file = W().U32("n", 7)
                               .Alignment(8)
                               .String("s", "text")
                               .Strings("t", {"a", "bb"})
                               .F32s("f", {1, 2})
                               .Tensor("a", W::kTensorF16, {2, 2}, "aaaaaaaa")
                               .Tensor("b", W::kTensorI8, {3}, "bbb")
                               .Build();
  EXPECT_NO_THROW(OpenGguf(dir_.Write("ok.gguf", file)));
  for (size_t bytes = 0; bytes < file.size(); ++bytes) {
    const std::string path = dir_.Write("bad.gguf", file.substr(0, bytes));
    try {
      OpenGguf(path);
      ADD_FAILURE() << "opened with " << bytes << " bytes";
    } catch (const Error& error) {
      EXPECT_TRUE(error.status() == Status::kFormat || error.status() == Status::kLimit);
      EXPECT_NE(std::string_view(error.what()).find(path), std::string_view::npos);
    }
  }
}

TEST_F(GgufMalformed, ShrinksAfterOpening) {
  const std::string path =
      dir_.Write("w.gguf", W().Tensor("w", W::kTensorI8, {64}, std::string(64, 'w')).Build());
  const Gguf gguf = OpenGguf(path);
  std::filesystem::resize_file(path, 70);
  char out[64];
  ExpectError(Status::kIo, {path, "ends at byte 70"}, [&] {
    gguf.tensors.Read(*gguf.tensors.Find("w"), 0, std::as_writable_bytes(std::span(out)));
  });
}

TEST_F(GgufMalformed, MissingFolderPipe) {
  ExpectError(Status::kNotFound, {dir_.Path("nowhere.gguf")},
              [&] { OpenGguf(dir_.Path("nowhere.gguf")); });
  ExpectError(Status::kPath, {"is a directory"}, [&] { OpenGguf(dir_.path()); });
}

// Whatever bytes change, the file opens or is refused: nothing else.
TEST_F(GgufMalformed, RandomBytes) {
  const std::string file = W().U32("n", 7)
                               .Alignment(8)
                               .String("s", "text")
                               .Strings("t", {"a", "bb"})
                               .Numbers<uint64_t>("u", W::kU64, {1, 2})
                               .Bool("b", true)
                               .Tensor("a", W::kTensorF16, {2, 2}, "aaaaaaaa")
                               .Tensor("q", W::kTensorQ4_0, {1, 32}, std::string(18, 'q'))
                               .Build();
  constexpr uint8_t kEdges[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string changed = file;
    for (uint32_t n = 1 + random() % 3; n > 0; --n) {
      changed[random() % changed.size()] =
          static_cast<char>(random() % 2 == 0 ? random() : kEdges[random() % std::size(kEdges)]);
    }
    try {
      OpenGguf(dir_.Write("random.gguf", changed));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2'000);
}

}  // namespace
}  // namespace inference
