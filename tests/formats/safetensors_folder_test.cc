#include <gtest/gtest.h>
#include <sys/stat.h>

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

TEST_F(SafetensorsFolder, ShardNamesMustBePlain) {
  for (const std::string& name :
       {std::string("../x.safetensors"), std::string("a/../../x.safetensors"),
        std::string("/etc/passwd"), std::string("..\\\\x.safetensors"), std::string("x%2f.."),
        std::string("a\\u0000.safetensors"), std::string(5'000, 'x') + ".safetensors",
        std::string(), std::string("."), std::string(".."), std::string("model.bin"),
        std::string("/proc/self/environ"), std::string("sub/x.safetensors")}) {
    WriteIndex(fmt::format(R"({{"w":"{}"}})", name));
    ExpectBad(Status::kPath, {kIndex, "weight_map: tensor 'w': shard '",
                              "must be a plain file name that ends in .safetensors"});
  }
}

TEST_F(SafetensorsFolder, ShardsMustBeFilesOfTheFolder) {
  const TempDir outside;
  outside.Write("w.safetensors", OneTensor("w"));
  WriteIndex(R"({"w":"s.safetensors"})");
  const std::string shard = dir_.Path("s.safetensors");

  fs::create_symlink(outside.Path("w.safetensors"), shard);
  ExpectBad(Status::kPath, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_symlink("/proc/self/environ", shard);
  ExpectBad(Status::kPath, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_directory_symlink(outside.path(), dir_.Path("sub"));
  fs::create_symlink("sub/w.safetensors", shard);
  ExpectBad(Status::kPath, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_hard_link(outside.Path("w.safetensors"), shard);
  ExpectBad(Status::kPath, {shard, "has 2 hard links"});
  fs::remove(shard);

  ASSERT_EQ(mkfifo(shard.c_str(), 0600), 0);
  ExpectBad(Status::kPath, {shard, "special file"});
  fs::remove(shard);

  fs::create_symlink("/dev/zero", shard);
  ExpectBad(Status::kPath, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_directory(shard);
  ExpectBad(Status::kPath, {shard, "is a directory"});
  fs::remove(shard);

  ExpectBad(Status::kNotFound, {shard, "cannot open"});
}

TEST_F(SafetensorsFolder, LinksInsideTheFolderAreFollowed) {
  dir_.Write("blob", OneTensor("w", 'b'));
  fs::create_symlink("blob", dir_.Path("s.safetensors"));
  WriteIndex(R"({"w":"s.safetensors"})");
  EXPECT_EQ(ValueOf(Open(), "w"), 'b');
}

TEST_F(SafetensorsFolder, SingleFileAndIndexMayNotLeaveTheFolderEither) {
  const TempDir outside;
  outside.Write("m", OneTensor("w"));
  fs::create_symlink(outside.Path("m"), dir_.Path("model.safetensors"));
  ExpectBad(Status::kPath, {dir_.Path("model.safetensors")});
  fs::create_symlink(outside.Write("i", R"({"weight_map":{}})"), dir_.Path(kIndex));
  ExpectBad(Status::kPath, {dir_.Path(kIndex)});
}

TEST_F(SafetensorsFolder, IndexFields) {
  dir_.Write(kIndex, "{}");
  ExpectBad(Status::kFormat, {kIndex, "weight_map: is missing, expected an object"});
  dir_.Write(kIndex, "[]");
  ExpectBad(Status::kFormat, {kIndex, "is an array, expected an object"});
  WriteIndex("[]");
  ExpectBad(Status::kFormat, {kIndex, "weight_map: is an array, expected an object"});
  WriteIndex(R"({"w":5})");
  ExpectBad(Status::kFormat, {kIndex, "weight_map: tensor 'w': is number, expected a file name"});
  WriteIndex(R"({"w":null})");
  ExpectBad(Status::kFormat, {"tensor 'w': is null, expected a file name"});
  WriteIndex(R"({"w":"a.safetensors","w":"b.safetensors"})");
  ExpectBad(Status::kFormat, {kIndex, "duplicate key 'w'"});
  WriteIndex("{}");
  ExpectBad(Status::kNotFound, {"holds no .safetensors file"});
  dir_.Write(kIndex, "{");
  ExpectBad(Status::kFormat, {kIndex, "line 1, column 2"});
}

TEST_F(SafetensorsFolder, IndexAndShardsMustAgree) {
  dir_.Write("s1.safetensors", OneTensor("a"));
  dir_.Write("s2.safetensors", OneTensor("b"));
  WriteIndex(R"({"a":"s1.safetensors","b":"s1.safetensors"})");
  ExpectBad(Status::kFormat, {kIndex, "tensor 'b': is not in 's1.safetensors'"});
  WriteIndex(R"({"a":"s2.safetensors","b":"s1.safetensors"})");
  ExpectBad(Status::kFormat, {"tensor 'a': is not in 's2.safetensors'"});
  WriteIndex(R"({"a":"s1.safetensors","c":"s2.safetensors"})");
  ExpectBad(Status::kFormat, {"tensor 'c': is not in 's2.safetensors'"});
  dir_.Write("s2.safetensors", OneTensor("a"));
  WriteIndex(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  ExpectBad(Status::kFormat, {"s2.safetensors: duplicate tensor 'a', the first is in " +
                              dir_.Path("s1.safetensors")});
  dir_.Write("s2.safetensors",
             SafetensorsFile(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("extra":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                             "be"));
  ExpectBad(Status::kFormat,
            {dir_.Path("s2.safetensors"), "tensor 'extra': is not in the weight_map of", kIndex});
}

TEST_F(SafetensorsFolder, ShardCountLimit) {
  std::string map = "{";
  for (int i = 0; i < 100'000; ++i) map += fmt::format(R"("w{}":"s{}.safetensors",)", i, i);
  map.back() = '}';
  WriteIndex(map);
  ExpectBad(Status::kLimit, {"has 100000 shards, at most 4096 are read"});
}

}  // namespace
}  // namespace inference
