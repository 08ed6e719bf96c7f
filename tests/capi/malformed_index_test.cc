// Catalogue of malformed index files: which shards a folder may name, and what they must hold.
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "capi/malformed.h"
#include "support/open_watch.h"
#include "support/safetensors_writer.h"

namespace inference::capi_test {
namespace {

namespace fs = std::filesystem;

constexpr char kIndex[] = "model.safetensors.index.json";

// A file with one tensor of one byte.
std::string OneTensor(std::string_view name, char value = 'x') {
  return SafetensorsFile(
      fmt::format(R"({{"{}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}})", name),
      std::string(1, value));
}

class MalformedIndex : public Malformed {
 protected:
  MalformedIndex() : model_(FreshModel()) { fs::remove(model_ + "/model.safetensors"); }
  std::string Path(const std::string& name) { return model_ + "/" + name; }
  void Write(const std::string& name, std::string_view content) {
    dir_.Write("model/" + name, content);
  }
  void WriteIndex(std::string_view weight_map) {
    Write(kIndex, fmt::format(R"({{"metadata":{{"total_size":1}},"weight_map":{}}})", weight_map));
  }
  void ExpectBad(inf_status status, std::initializer_list<std::string_view> parts) {
    ExpectRefused(model_, status, {model_});
    ExpectRefused(model_, status, parts);
  }

  std::string model_;
};

TEST_F(MalformedIndex, IX01_ShardNamesMustBePlain) {
  for (const std::string& name :
       {std::string("../x.safetensors"), std::string("a/../../x.safetensors"),
        std::string("/etc/passwd"), std::string("..\\\\x.safetensors"), std::string("x%2f.."),
        std::string("a\\u0000.safetensors"), std::string(5'000, 'x') + ".safetensors",
        std::string(), std::string("."), std::string(".."), std::string("model.bin"),
        std::string("/proc/self/environ"), std::string("sub/x.safetensors")}) {
    WriteIndex(fmt::format(R"({{"w":"{}"}})", name));
    ExpectBad(INF_E_PATH, {kIndex, "weight_map: tensor 'w': shard '",
                           "must be a plain file name that ends in .safetensors"});
  }
}

TEST_F(MalformedIndex, IX02_ShardsMustBeFilesOfTheFolder) {
  const TempDir outside;
  outside.Write("w.safetensors", OneTensor("w"));
  WriteIndex(R"({"w":"s.safetensors"})");
  const std::string shard = Path("s.safetensors");

  fs::create_symlink(outside.Path("w.safetensors"), shard);
  ExpectBad(INF_E_PATH, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_symlink("/proc/self/environ", shard);
  ExpectBad(INF_E_PATH, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_directory_symlink(outside.path(), Path("sub"));
  fs::create_symlink("sub/w.safetensors", shard);
  ExpectBad(INF_E_PATH, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_hard_link(outside.Path("w.safetensors"), shard);
  ExpectBad(INF_E_PATH, {shard, "has 2 hard links"});
  fs::remove(shard);

  ASSERT_EQ(mkfifo(shard.c_str(), 0600), 0);
  ExpectBad(INF_E_PATH, {shard, "special file"});
  fs::remove(shard);

  fs::create_symlink("/dev/zero", shard);
  ExpectBad(INF_E_PATH, {shard, "expected a file inside its folder"});
  fs::remove(shard);

  fs::create_directory(shard);
  ExpectBad(INF_E_PATH, {shard, "is a directory"});
  fs::remove(shard);

  ExpectBad(INF_E_NOT_FOUND, {shard, "cannot open"});
}

TEST_F(MalformedIndex, IX02_SingleFileAndIndexMayNotLeaveTheFolderEither) {
  const TempDir outside;
  outside.Write("m", OneTensor("w"));
  fs::create_symlink(outside.Path("m"), Path("model.safetensors"));
  ExpectBad(INF_E_PATH, {Path("model.safetensors")});
  fs::create_symlink(outside.Write("i", R"({"weight_map":{}})"), Path(kIndex));
  ExpectBad(INF_E_PATH, {Path(kIndex)});
}

TEST_F(MalformedIndex, IX03_IndexFields) {
  Write(kIndex, "{}");
  ExpectBad(INF_E_FORMAT, {kIndex, "weight_map: is missing, expected an object"});
  Write(kIndex, "[]");
  ExpectBad(INF_E_FORMAT, {kIndex, "is an array, expected an object"});
  WriteIndex("[]");
  ExpectBad(INF_E_FORMAT, {kIndex, "weight_map: is an array, expected an object"});
  WriteIndex(R"({"w":5})");
  ExpectBad(INF_E_FORMAT, {kIndex, "weight_map: tensor 'w': is number, expected a file name"});
  WriteIndex(R"({"w":null})");
  ExpectBad(INF_E_FORMAT, {"tensor 'w': is null, expected a file name"});
  WriteIndex(R"({"w":"a.safetensors","w":"b.safetensors"})");
  ExpectBad(INF_E_FORMAT, {kIndex, "duplicate key 'w'"});
  WriteIndex("{}");
  ExpectBad(INF_E_NOT_FOUND, {"holds no .safetensors file"});
  Write(kIndex, "{");
  ExpectBad(INF_E_FORMAT, {kIndex, "line 1, column 2"});
}

TEST_F(MalformedIndex, IX03_IndexAndShardsMustAgree) {
  Write("s1.safetensors", OneTensor("a"));
  Write("s2.safetensors", OneTensor("b"));
  WriteIndex(R"({"a":"s1.safetensors","b":"s1.safetensors"})");
  ExpectBad(INF_E_FORMAT, {kIndex, "tensor 'b': is not in 's1.safetensors'"});
  WriteIndex(R"({"a":"s2.safetensors","b":"s1.safetensors"})");
  ExpectBad(INF_E_FORMAT, {"tensor 'a': is not in 's2.safetensors'"});
  WriteIndex(R"({"a":"s1.safetensors","c":"s2.safetensors"})");
  ExpectBad(INF_E_FORMAT, {"tensor 'c': is not in 's2.safetensors'"});
  Write("s2.safetensors", OneTensor("a"));
  WriteIndex(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  ExpectBad(INF_E_FORMAT,
            {"s2.safetensors: duplicate tensor 'a', the first is in " + Path("s1.safetensors")});
  Write("s2.safetensors",
        SafetensorsFile(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                        R"("extra":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                        "be"));
  ExpectBad(INF_E_FORMAT,
            {Path("s2.safetensors"), "tensor 'extra': is not in the weight_map of", kIndex});
}

TEST_F(MalformedIndex, IX03_ShardCountLimit) {
  std::string map = "{";
  for (int i = 0; i < 100'000; ++i) map += fmt::format(R"("w{}":"s{}.safetensors",)", i, i);
  map.back() = '}';
  WriteIndex(map);
  ExpectBad(INF_E_LIMIT, {"has 100000 shards, at most 4096 are read"});
}

TEST_F(MalformedIndex, IX01_NothingOutsideTheFolderIsOpened) {
  const std::string outside = dir_.Write("outside.safetensors", OneTensor("w"));
  OpenWatch watch;
  watch.Add(outside);
  for (const char* name : {"../outside.safetensors", "sub/../../outside.safetensors"}) {
    WriteIndex(fmt::format(R"({{"w":"{}"}})", name));
    ExpectBad(INF_E_PATH, {"must be a plain file name"});
  }
  WriteIndex(R"({"w":"s.safetensors"})");
  fs::create_symlink(outside, Path("s.safetensors"));
  ExpectBad(INF_E_PATH, {"expected a file inside its folder"});
  EXPECT_THAT(watch.Take(), testing::IsEmpty());
  std::ifstream by_test(outside);
  EXPECT_THAT(watch.Take(), testing::ElementsAre(outside)) << "the watch is blind";
}

// A shard that turns from a file into a link out of the folder and back, all the time.
TEST_F(MalformedIndex, IX02_SwappedWhileItIsOpened) {
  const std::string outside = dir_.Write("outside.safetensors", OneTensor("w"));
  Write("s.safetensors", OneTensor("w"));
  WriteIndex(R"({"w":"s.safetensors"})");
  const std::string shard = Path("s.safetensors"), other = Path("other");
  fs::create_symlink(outside, other);
  OpenWatch watch;
  watch.Add(outside);
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    while (!stop) {  // exchanges the two in one step
      EXPECT_EQ(renameat2(AT_FDCWD, shard.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE), 0);
    }
  });
  int linked = 0, read = 0;
  for (int i = 0; i < 2'000 && (i < 100 || linked == 0 || read == 0); ++i) {
    Model model;
    Err error;
    const inf_status status = inf_model_load(SharedRuntime(), model_.data(), model_.size(), nullptr,
                                             nullptr, nullptr, nullptr, model.out(), &error);
    EXPECT_TRUE(status == INF_E_PATH || status == INF_E_FORMAT) << error.text();
    // The file in the folder has no weights of the model.
    ++(status == INF_E_PATH ? linked : read);
  }
  stop = true;
  swapper.join();
  EXPECT_GT(linked, 0);
  EXPECT_GT(read, 0);
  EXPECT_THAT(watch.Take(), testing::IsEmpty());
}

// The good model as the hub's cache has it: every file a link to ../blobs.
TEST_F(MalformedIndex, IX02_LinksOutOfTheFolderByOptionOnly) {
  fs::create_directory(dir_.Path("blobs"));
  FreshModel();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(model_)) names.push_back(entry.path().filename());
  for (const std::string& name : names) {
    fs::rename(Path(name), dir_.Path("blobs/" + name));
    fs::create_symlink("../blobs/" + name, Path(name));
  }
  ExpectRefused(model_, INF_E_PATH,
                {Path("config.json") + ": links to ", "(or option allow_symlinks)"});
  Tokenizer tokenizer;
  EXPECT_FAILS(INF_E_PATH, "tokenizer_config.json: links to",
               inf_tokenizer_load(model_.data(), model_.size(), nullptr, tokenizer.out(), &err));
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "allow_symlinks", 14, 1, &err));
  ExpectWorks(NewSession(0, LoadModel(model_, config.get()).get()).get());
  EXPECT_OK(inf_tokenizer_load(model_.data(), model_.size(), config.get(), tokenizer.out(), &err));
  // One rule for every file: each of them alone is refused, too.
  for (const std::string& name : names) {
    FreshModel();
    fs::remove(Path(name));
    fs::create_symlink("../blobs/" + name, Path(name));
    ExpectRefused(model_, INF_E_PATH, {Path(name) + ": links to "});
  }
}

TEST_F(MalformedIndex, IX03_SizesInTheIndexAreNotLookedAt) {
  FreshModel();
  std::string map = "{";
  std::ifstream in(Path("model.safetensors"), std::ios::binary);
  uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof(length));
  std::string header(length, '\0');
  in.read(header.data(), static_cast<std::streamsize>(length));
  const auto json = nlohmann::json::parse(header);
  for (const auto& [name, tensor] : json.items()) {
    if (name != "__metadata__") map += fmt::format(R"("{}":"model.safetensors",)", name);
  }
  map.back() = '}';
  Write(kIndex, fmt::format(R"({{"metadata":{{"total_size":-7}},"weight_map":{}}})", map));
  ExpectWorks(NewSession(0, LoadModel(model_).get()).get());
  fs::remove(Path("model.safetensors"));
  ExpectBad(INF_E_NOT_FOUND, {"model.safetensors: cannot open"});
}

}  // namespace
}  // namespace inference::capi_test
