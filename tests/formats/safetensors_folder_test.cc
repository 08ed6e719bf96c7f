// Which files of a folder are opened; what must be refused is in
// tests/capi/malformed_index_test.cc.
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>

#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

namespace fs = std::filesystem;

constexpr char kIndex[] = "model.safetensors.index.json";

// A file with one tensor of one byte.
std::string OneTensor(std::string_view name, char value = 'x') {
  return SafetensorsFile(
      fmt::format(R"({{"{}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}})", name),
      std::string(1, value));
}

char ValueOf(const TensorSet& set, std::string_view name) {
  char out[1];
  set.Read(*set.Find(name), 0, std::as_writable_bytes(std::span(out)));
  return out[0];
}

class SafetensorsFolder : public testing::Test {
 protected:
  TensorSet Open() { return OpenSafetensorsFolder(dir_.path()); }
  void ExpectBad(Status status, std::initializer_list<std::string_view> parts) {
    ExpectError(status, {dir_.path()}, [&] { Open(); });
    ExpectError(status, parts, [&] { Open(); });
  }
  void WriteIndex(std::string_view weight_map) {
    dir_.Write(kIndex,
               fmt::format(R"({{"metadata":{{"total_size":1}},"weight_map":{}}})", weight_map));
  }

  TempDir dir_;
};

TEST_F(SafetensorsFolder, SingleFile) {
  dir_.Write("model.safetensors", OneTensor("w", 'a'));
  dir_.Write("other.safetensors", "not read");
  EXPECT_EQ(ValueOf(Open(), "w"), 'a');
}

TEST_F(SafetensorsFolder, ShardsOfTheIndex) {
  dir_.Write("s1.safetensors", OneTensor("a", '1'));
  dir_.Write("s2.safetensors", OneTensor("b", '2'));
  dir_.Write("model.safetensors", "not read: the index says what is");
  WriteIndex(R"({"b":"s2.safetensors","a":"s1.safetensors"})");
  const TensorSet set = Open();
  EXPECT_EQ(set.entries().size(), 2u);
  EXPECT_EQ(ValueOf(set, "a"), '1');
  EXPECT_EQ(ValueOf(set, "b"), '2');
}

TEST_F(SafetensorsFolder, IndexMayNameTheSingleFile) {
  dir_.Write("model.safetensors", OneTensor("a"));
  WriteIndex(R"({"a":"model.safetensors"})");
  EXPECT_EQ(Open().entries().size(), 1u);
}

TEST_F(SafetensorsFolder, EveryFileWhereNothingElseSays) {
  dir_.Write("x-2.safetensors", OneTensor("b", '2'));
  dir_.Write("x-1.safetensors", OneTensor("a", '1'));
  dir_.Write("notes.txt", "not read");
  const TensorSet set = Open();
  EXPECT_EQ(set.file(0).path(), dir_.Path("x-1.safetensors"));
  EXPECT_EQ(ValueOf(set, "b"), '2');
}

TEST_F(SafetensorsFolder, ManyShardsHoldFewDescriptors) {
  const auto open_descriptors = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_descriptors();
  std::string map = "{";
  for (int i = 0; i < 200; ++i) {
    dir_.Write(fmt::format("s{}.safetensors", i),
               OneTensor(fmt::format("w{}", i), static_cast<char>(i)));
    map += fmt::format(R"("w{}":"s{}.safetensors",)", i, i);
  }
  map.back() = '}';
  WriteIndex(map);
  const TensorSet set = Open();
  EXPECT_LE(open_descriptors() - before, 64);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(ValueOf(set, fmt::format("w{}", i)), static_cast<char>(i));
  }
}

TEST_F(SafetensorsFolder, NothingThere) {
  ExpectBad(Status::kNotFound, {"holds no .safetensors file"});
  ExpectError(Status::kNotFound, {dir_.Path("nowhere"), "is not a folder"},
              [&] { OpenSafetensorsFolder(dir_.Path("nowhere")); });
  const std::string path = dir_.Write("file", "");
  ExpectError(Status::kNotFound, {path, "is not a folder"}, [&] { OpenSafetensorsFolder(path); });
}

TEST_F(SafetensorsFolder, LinksInsideTheFolderAreFollowed) {
  dir_.Write("blob", OneTensor("w", 'b'));
  fs::create_symlink("blob", dir_.Path("s.safetensors"));
  WriteIndex(R"({"w":"s.safetensors"})");
  EXPECT_EQ(ValueOf(Open(), "w"), 'b');
}

}  // namespace
}  // namespace inference
