// Models in several GGUF files.
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/gguf.h"
#include "support/expect_error.h"
#include "support/gguf_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

namespace fs = std::filesystem;
using W = GgufWriter;

struct Part {
  uint16_t number, count;
  int32_t tensors = 3;
};

// As llama.cpp's gguf-split writes it, with one tensor, named by the part's number.
std::string PartFile(const Part& part) {
  W writer;
  if (part.number == 0) writer.String("general.architecture", "llama").U32("extra", 7);
  return writer.Scalar("split.no", W::kU16, part.number)
      .Scalar("split.count", W::kU16, part.count)
      .I32("split.tensors.count", part.tensors)
      .Tensor(fmt::format("t{}", part.number), W::kTensorI8, {4},
              std::string(4, static_cast<char>('a' + part.number)))
      .Build();
}

class GgufSplit : public testing::Test {
 protected:
  GgufSplit() {
    for (uint16_t i = 0; i < 3; ++i) Write({i, 3});
  }
  std::string Name(int number, int count = 3) {
    return fmt::format("m-{:05}-of-{:05}.gguf", number, count);
  }
  std::string Write(const Part& part) { return dir_.Write(Name(part.number + 1), PartFile(part)); }
  void ExpectBad(Status status, std::initializer_list<std::string_view> parts, int number = 1) {
    ExpectError(status, parts, [&] { OpenGguf(dir_.Path(Name(number))); });
  }

  TempDir dir_;
};

TEST_F(GgufSplit, TheFirstPartOpensAll) {
  const Gguf gguf = OpenGguf(dir_.Path(Name(1)));
  EXPECT_EQ(gguf.tensors.file_count(), 3u);
  EXPECT_EQ(gguf.metadata.GetInt("extra", 0, 100), 7);
  for (int i = 0; i < 3; ++i) {
    const TensorEntry* entry = gguf.tensors.Find(fmt::format("t{}", i));
    ASSERT_NE(entry, nullptr);
    std::array<std::byte, 4> out;
    gguf.tensors.Read(*entry, 0, out);
    EXPECT_EQ(static_cast<char>(out[3]), 'a' + i);
  }
}

TEST_F(GgufSplit, OneFileAlone) {
  EXPECT_EQ(OpenGgufFile(dir_.Path(Name(2))).tensors.entries().size(), 1u);
  const std::string one = dir_.Write("one.gguf", PartFile({0, 1, 1}));
  EXPECT_EQ(OpenGguf(one).tensors.file_count(), 1u);
  EXPECT_EQ(GgufPartNames(OpenGguf(one).metadata), std::vector<std::string>{"one.gguf"});
}

TEST_F(GgufSplit, RelativePath) {
  const fs::path before = fs::current_path();
  fs::current_path(dir_.path());
  EXPECT_EQ(OpenGguf(Name(1)).tensors.file_count(), 3u);
  fs::current_path(before);
}

TEST_F(GgufSplit, AnotherPartNamesTheFirst) {
  ExpectBad(Status::kArg, {Name(2), "is part 2 of 3, open the first: " + dir_.Path(Name(1))}, 2);
  ExpectBad(Status::kArg, {"is part 3 of 3, open the first: " + dir_.Path(Name(1))}, 3);
}

TEST_F(GgufSplit, MissingPart) {
  fs::remove(dir_.Path(Name(2)));
  ExpectBad(Status::kNotFound, {dir_.Path(Name(2)), "cannot open"});
}

TEST_F(GgufSplit, NameAndKeysMustAgree) {
  const std::string other = dir_.Write("other.gguf", PartFile({0, 3}));
  ExpectError(Status::kFormat,
              {other,
               "key 'split.count': is 3, expected a file name that ends in "
               "-NNNNN-of-00003.gguf"},
              [&] { OpenGguf(other); });
  Write({0, 4});
  ExpectBad(Status::kFormat, {Name(1), "key 'split.count': is 4, expected 3 as in the file name"});
  dir_.Write(Name(1), PartFile({2, 3}));
  ExpectBad(Status::kFormat,
            {Name(1), "key 'split.no': is 2, expected 0, one less than in the file name"});
  Write({0, 60000});
  ExpectBad(Status::kFormat, {"key 'split.count': is 60000, expected integer 0..4096"});
}

TEST_F(GgufSplit, FurtherPartsMustBelongToTheFirst) {
  dir_.Write(Name(2), PartFile({2, 3}));
  ExpectBad(Status::kFormat, {Name(2), "key 'split.no': is 2, expected 1"});
  dir_.Write(Name(2), PartFile({1, 2}));
  ExpectBad(Status::kFormat, {Name(2), "key 'split.count': is 2, expected 3"});
  dir_.Write(Name(2), W().Tensor("t1", W::kTensorI8, {4}, "data").Build());
  ExpectBad(Status::kFormat, {Name(2), "key 'split.count': is missing"});
  dir_.Write(Name(2), "GGUF");
  ExpectBad(Status::kFormat, {Name(2), "version"});
  dir_.Write(Name(2), W().Scalar("split.no", W::kU16, uint16_t{1})
                          .Scalar("split.count", W::kU16, uint16_t{3})
                          .Tensor("t0", W::kTensorI8, {4}, "data")
                          .Build());
  ExpectBad(Status::kFormat,
            {Name(2), "duplicate tensor 't0', the first is in " + dir_.Path(Name(1))});
}

TEST_F(GgufSplit, TensorCount) {
  Write({0, 3, 4});
  ExpectBad(Status::kFormat,
            {Name(1), "key 'split.tensors.count': is 4, expected 3, what the 3 parts hold"});
  Write({0, 3, -1});
  ExpectBad(Status::kFormat, {"key 'split.tensors.count': is -1"});
}

TEST_F(GgufSplit, PartsMayNotLeaveTheFolder) {
  const TempDir outside;
  fs::remove(dir_.Path(Name(2)));
  fs::create_symlink(outside.Write("x", PartFile({1, 3})), dir_.Path(Name(2)));
  ExpectBad(Status::kPath, {Name(2), "expected a file inside its folder"});
  EXPECT_EQ(OpenGguf(dir_.Path(Name(1)), /*allow_symlinks=*/true).tensors.file_count(), 3u);
}

TEST(GgufPartNameOf, OnlyWellFormedNames) {
  const auto name = ParseGgufPartName("dir/a-b-00002-of-00012.gguf");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->stem, "dir/a-b");
  EXPECT_EQ(name->number, 2);
  EXPECT_EQ(name->count, 12);
  for (const char* bad :
       {"", "m.gguf", "-00001-of-00002.gguf", "m-00003-of-00002.gguf", "m-00000-of-00002.gguf",
        "m-0001-of-00002.gguf", "m-00001-of-0000x.gguf", "m-00001-of-00002.ggu",
        "m-00001_of-00002.gguf", "m--0001-of-00002.gguf", "m-+0001-of-00002.gguf"}) {
    EXPECT_FALSE(ParseGgufPartName(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace inference
