// What is told about the models of a folder.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "capi/api.h"
#include "support/gguf_writer.h"
#include "support/not_root.h"
#include "support/open_watch.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

struct Found {
  std::string path, format, architecture, quantization, reason;
  uint64_t bytes;
  uint32_t file_count, bits, group;
  bool loadable;
};

std::vector<Found> Discover(const std::string& dir, const inf_config* config = nullptr) {
  ModelList list;
  EXPECT_OK(inf_discover(SharedRuntime(), dir.data(), dir.size(), config, list.out(), &err));
  std::vector<Found> out;
  for (uint32_t i = 0; i < inf_model_list_count(list.get()); ++i) {
    auto e = Sized<inf_model_entry>();
    EXPECT_OK(inf_model_list_get(list.get(), i, &e, &err));
    EXPECT_EQ(e.loadable, std::strlen(e.reason) == 0 ? 1u : 0u);
    out.push_back({e.path, e.format, e.architecture, e.quantization, e.reason, e.bytes,
                   e.file_count, e.quant_bits, e.quant_group, e.loadable != 0});
  }
  return out;
}

Found DiscoverOne(const std::string& dir, const inf_config* config = nullptr) {
  const std::vector<Found> found = Discover(dir, config);
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? Found{} : found[0];
}

std::vector<std::string> Paths(const std::vector<Found>& found, const std::string& root) {
  std::vector<std::string> out;
  for (const Found& one : found) out.push_back(fs::path(one.path).lexically_relative(root));
  return out;
}

// A folder that is a model as far as discovery looks; its weights are noise.
class DiscoverTest : public testing::Test {
 protected:
  void WriteModel(const std::string& name, const std::string& config) {
    fs::create_directories(dir_.Path(name));
    dir_.Write(name + "/config.json", config);
    dir_.Write(name + "/model.safetensors", "noise");
    dir_.Write(name + "/tokenizer.json", "{}");
  }

  TempDir dir_;
};

std::string GgufFile(const std::string& architecture, bool tokenizer = true) {
  GgufWriter writer;
  writer.String("general.architecture", architecture);
  if (tokenizer) writer.Strings("tokenizer.ggml.tokens", {"a"});
  return writer.Tensor("w", GgufWriter::kTensorQ4_K, {1, 256}, std::string(144, 'w'))
      .Tensor("v", GgufWriter::kTensorF32, {1}, "data")
      .Build();
}

std::string PartFile(uint16_t number, uint16_t count) {
  return GgufWriter()
      .String("general.architecture", "llama")
      .Strings("tokenizer.ggml.tokens", {"a"})
      .Scalar("split.no", GgufWriter::kU16, number)
      .Scalar("split.count", GgufWriter::kU16, count)
      .Build();
}

TEST_F(DiscoverTest, ARealModelFolder) {
  const Found found = DiscoverOne(kTinyModel);
  EXPECT_EQ(found.path, fs::canonical(kTinyModel));
  EXPECT_EQ(found.format, "safetensors");
  EXPECT_EQ(found.architecture, "llama");
  EXPECT_EQ(found.quantization, "BF16");
  EXPECT_EQ(found.bits, 0u);
  EXPECT_EQ(found.group, 0u);
  EXPECT_EQ(found.file_count, 1u);
  EXPECT_EQ(found.bytes, fs::file_size(kTinyModel + "/model.safetensors"));
  EXPECT_TRUE(found.loadable) << found.reason;
}

TEST_F(DiscoverTest, TheFolderItselfThenItsChildrenByName) {
  WriteModel(".", R"({"model_type": "llama"})");
  WriteModel("b", R"({"model_type": "llama"})");
  WriteModel("a", R"({"model_type": "llama"})");
  WriteModel("a/deep", R"({"model_type": "llama"})");
  dir_.Write("c.gguf", GgufFile("llama"));
  dir_.Write("b/inner.gguf", GgufFile("llama"));
  dir_.Write("notes.txt", "no model");
  dir_.Write("m.bin", "no model");
  fs::create_directories(dir_.Path("empty"));
  fs::create_directories(dir_.Path("folder.gguf"));
  fs::create_directories(dir_.Path("no_weights"));
  dir_.Write("no_weights/config.json", "{}");
  fs::create_directories(dir_.Path("no_config"));
  dir_.Write("no_config/model.safetensors", "");
  EXPECT_THAT(Paths(Discover(dir_.path()), dir_.path()),
              ElementsAre(".", "a", "b", "b/inner.gguf", "c.gguf"));
}

TEST_F(DiscoverTest, NothingThere) {
  EXPECT_TRUE(Discover(dir_.path()).empty());
  ModelList list;
  const auto discover = [&](const std::string& dir, inf_error* err) {
    return inf_discover(SharedRuntime(), dir.data(), dir.size(), nullptr, list.out(), err);
  };
  EXPECT_FAILS(INF_E_NOT_FOUND, "nowhere: cannot list", discover(dir_.Path("nowhere"), &err));
  EXPECT_FAILS(INF_E_IO, "file: cannot list", discover(dir_.Write("file", ""), &err));
  EXPECT_FAILS(INF_E_ARG, "dir: is empty", discover("", &err));
  EXPECT_FAILS(INF_E_ARG, "dir: '/a\\x00b' holds a NUL byte", discover({"/a\0b", 4}, &err));
  EXPECT_EQ(list.get(), nullptr);
}

TEST_F(DiscoverTest, RelativePathsBecomeAbsolute) {
  WriteModel("m", R"({"model_type": "llama"})");
  const fs::path before = fs::current_path();
  fs::current_path(dir_.path());
  const Found found = DiscoverOne("m/../.");
  fs::current_path(before);
  EXPECT_EQ(found.path, fs::canonical(dir_.path()) / "m");
}

TEST_F(DiscoverTest, ArgumentsOfTheList) {
  WriteModel("m", "{}");
  ModelList list;
  ASSERT_OK(inf_discover(SharedRuntime(), dir_.path().data(), dir_.path().size(), nullptr,
                         list.out(), &err));
  auto entry = Sized<inf_model_entry>();
  EXPECT_OK(inf_model_list_get(list.get(), 0, &entry, &err));
  EXPECT_FAILS(INF_E_ARG, "index: is 1, the list has 1 models",
               inf_model_list_get(list.get(), 1, &entry, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL", inf_model_list_get(list.get(), 0, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "out: is NULL",
               inf_discover(SharedRuntime(), "/", 1, nullptr, nullptr, &err));
  entry.struct_size = 8;
  EXPECT_FAILS(INF_E_ABI, "struct_size is 8", inf_model_list_get(list.get(), 0, &entry, &err));
}

TEST_F(DiscoverTest, WhatConfigsTell) {
  WriteModel("mlx", R"({"model_type": "llama", "quantization": {"group_size": 64, "bits": 4}})");
  Found found = DiscoverOne(dir_.Path("mlx"));
  EXPECT_EQ(found.quantization, "4-bit affine");
  EXPECT_EQ(found.bits, 4u);
  EXPECT_EQ(found.group, 64u);

  WriteModel("gptq", R"({"model_type": "llama", "quantization_config":
                         {"quant_method": "gptq", "bits": 8, "group_size": -1}})");
  found = DiscoverOne(dir_.Path("gptq"));
  EXPECT_EQ(found.quantization, "GPTQ");
  EXPECT_EQ(found.bits, 8u);
  EXPECT_EQ(found.group, 0u);
  EXPECT_THAT(found.reason, HasSubstr("quantization_config"));

  WriteModel("mxfp4", R"({"model_type": "llama",
                          "quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}})");
  found = DiscoverOne(dir_.Path("mxfp4"));
  EXPECT_EQ(found.quantization, "MXFP4");
  EXPECT_EQ(found.bits, 4u);
  EXPECT_EQ(found.group, 32u);

  WriteModel("untold", R"({"model_type": "llama", "quantization": {"mode": "affine"}})");
  found = DiscoverOne(dir_.Path("untold"));
  EXPECT_EQ(found.quantization, "affine");
  EXPECT_EQ(found.bits, 0u);

  WriteModel("nested", R"({"model_type": "gemma3", "text_config": {"torch_dtype": "float16"}})");
  found = DiscoverOne(dir_.Path("nested"));
  EXPECT_EQ(found.quantization, "F16");
  EXPECT_TRUE(found.loadable) << found.reason;

  WriteModel("shards", R"({"model_type": "llama", "dtype": "float32"})");
  fs::remove(dir_.Path("shards/model.safetensors"));
  dir_.Write("shards/a.safetensors", "12345");
  dir_.Write("shards/b.safetensors", "123");
  found = DiscoverOne(dir_.Path("shards"));
  EXPECT_EQ(found.quantization, "F32");
  EXPECT_EQ(found.file_count, 2u);
  EXPECT_EQ(found.bytes, 8u);
}

TEST_F(DiscoverTest, WhatCannotBeLoadedSaysWhy) {
  const auto reason = [&](const std::string& config) {
    WriteModel("m", config);
    const Found found = DiscoverOne(dir_.Path("m"));
    EXPECT_FALSE(found.loadable);
    return found.reason;
  };
  EXPECT_THAT(reason(R"({"model_type": "mamba9"})"),
              HasSubstr("model_type: is 'mamba9', expected"));
  EXPECT_THAT(reason("{}"), HasSubstr("config.json: model_type: is missing"));
  EXPECT_THAT(reason("not JSON"), HasSubstr("config.json: line 1, column 2"));
  EXPECT_THAT(reason("[]"), HasSubstr("config.json: is an array, expected an object"));
  EXPECT_THAT(reason(R"({"model_type": 7})"), HasSubstr("model_type: is 7, expected a string"));
  EXPECT_THAT(reason(R"({"model_type": "llama", "quantization": 4})"),
              HasSubstr("quantization: is 4, expected an object"));
  EXPECT_EQ(DiscoverOne(dir_.Path("m")).architecture, "llama");
  WriteModel("m", R"({"model_type": "llama"})");
  fs::remove(dir_.Path("m/tokenizer.json"));
  EXPECT_THAT(DiscoverOne(dir_.Path("m")).reason,
              HasSubstr("m/tokenizer.json: cannot open: No such file"));
  fs::remove(dir_.Path("m/config.json"));
  fs::create_directory(dir_.Path("m/config.json"));
  EXPECT_THAT(DiscoverOne(dir_.Path("m")).reason, HasSubstr("config.json: is a directory"));
}

TEST_F(DiscoverTest, GgufFiles) {
  const std::string path = dir_.Write("m.gguf", GgufFile("llama"));
  Found found = DiscoverOne(dir_.path());
  EXPECT_EQ(found.path, fs::canonical(path));
  EXPECT_EQ(found.format, "gguf");
  EXPECT_EQ(found.architecture, "llama");
  EXPECT_EQ(found.quantization, "Q4_K");
  EXPECT_EQ(found.bits, 4u);
  EXPECT_EQ(found.group, 32u);
  EXPECT_EQ(found.file_count, 1u);
  EXPECT_EQ(found.bytes, fs::file_size(path));
  EXPECT_TRUE(found.loadable) << found.reason;

  dir_.Write("m.gguf", GgufFile("mamba9"));
  found = DiscoverOne(dir_.path());
  EXPECT_EQ(found.architecture, "mamba9");
  EXPECT_THAT(found.reason, HasSubstr("key 'general.architecture': is 'mamba9', expected one of"));
  dir_.Write("m.gguf", GgufFile("llama", /*tokenizer=*/false));
  EXPECT_THAT(DiscoverOne(dir_.path()).reason,
              HasSubstr("key 'tokenizer.ggml.tokens': is missing"));
  dir_.Write("m.gguf", "noise");
  found = DiscoverOne(dir_.path());
  EXPECT_EQ(found.architecture, "");
  EXPECT_THAT(found.reason, HasSubstr("m.gguf: magic: is"));
  EXPECT_EQ(found.bytes, 5u);
}

TEST_F(DiscoverTest, SplitGgufCountsOnce) {
  for (uint16_t i = 0; i < 2; ++i) {
    dir_.Write("m-0000" + std::to_string(i + 1) + "-of-00002.gguf", PartFile(i, 2));
  }
  dir_.Write("z-00001-of-00002.gguf", PartFile(0, 2));
  dir_.Write("y-00002-of-00002.gguf", PartFile(1, 2));
  const std::vector<Found> found = Discover(dir_.path());
  EXPECT_THAT(
      Paths(found, dir_.path()),
      ElementsAre("m-00001-of-00002.gguf", "y-00002-of-00002.gguf", "z-00001-of-00002.gguf"));
  EXPECT_TRUE(found[0].loadable) << found[0].reason;
  EXPECT_EQ(found[0].file_count, 2u);
  EXPECT_EQ(found[0].bytes, fs::file_size(dir_.Path("m-00001-of-00002.gguf")) +
                                fs::file_size(dir_.Path("m-00002-of-00002.gguf")));
  EXPECT_THAT(found[1].reason, HasSubstr("is part 2 of 2, open the first: "));
  EXPECT_THAT(found[2].reason, HasSubstr("z-00002-of-00002.gguf: cannot open: No such file"));
}

TEST_F(DiscoverTest, NeverOpensSafetensors) {
  WriteModel("m", R"({"model_type": "llama"})");
  OpenWatch watch;
  watch.Add(dir_.Path("m/config.json"));
  watch.Add(dir_.Path("m/model.safetensors"));
  watch.Add(dir_.Path("m/tokenizer.json"));
  const Found found = DiscoverOne(dir_.path());
  EXPECT_EQ(found.file_count, 1u);
  EXPECT_TRUE(found.loadable) << found.reason;
  EXPECT_THAT(watch.Take(), ElementsAre(dir_.Path("m/config.json")));
}

TEST_F(DiscoverTest, CountsTheFilesThatALoadReads) {
  WriteModel("m", R"({"model_type": "llama"})");
  dir_.Write("m/consolidated.safetensors", "the same weights again");
  Found found = DiscoverOne(dir_.path());
  EXPECT_EQ(found.file_count, 1u);
  EXPECT_EQ(found.bytes, 5u);
  EXPECT_TRUE(found.loadable) << found.reason;

  dir_.Write("m/a.safetensors", "12");
  dir_.Write("m/b.safetensors", "345");
  dir_.Write("m/model.safetensors.index.json",
             R"({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}})");
  found = DiscoverOne(dir_.path());
  EXPECT_EQ(found.file_count, 2u);
  EXPECT_EQ(found.bytes, 5u);
  EXPECT_TRUE(found.loadable) << found.reason;
}

TEST_F(DiscoverTest, WeightsThatALoadWouldRefuse) {
  WriteModel("m", R"({"model_type": "llama"})");
  const std::string index = "m/model.safetensors.index.json";
  dir_.Write(index, R"({"weight_map": {"x": "model.safetensors", "y": "gone.safetensors"}})");
  const Found found = DiscoverOne(dir_.path());
  EXPECT_THAT(found.reason, HasSubstr("m/gone.safetensors: cannot open: No such file"));
  EXPECT_EQ(found.file_count, 1u);  // what is there
  EXPECT_EQ(found.bytes, 5u);
  EXPECT_EQ(found.architecture, "llama");

  const auto reason = [&] { return DiscoverOne(dir_.path()).reason; };
  dir_.Write(index, R"({"weight_map": {"x": "../x.safetensors"}})");
  EXPECT_THAT(reason(), HasSubstr("shard '../x.safetensors' must be a plain file name"));
  dir_.Write(index, R"({"weight_map": {}})");
  EXPECT_THAT(reason(), HasSubstr("m: holds no .safetensors file"));
  fs::remove(dir_.Path(index));

  const std::string weights = dir_.Path("m/model.safetensors");
  fs::create_hard_link(weights, dir_.Path("elsewhere"));
  EXPECT_THAT(reason(), HasSubstr("m/model.safetensors: has 2 hard links, expected 1"));
  fs::remove(weights);
  fs::create_symlink("/nowhere", weights);
  EXPECT_THAT(reason(), HasSubstr("m/model.safetensors: cannot open: No such file"));
  fs::remove(weights);
  fs::create_symlink("../elsewhere", weights);
  EXPECT_THAT(reason(), HasSubstr("m/model.safetensors: links to "));
  fs::remove(weights);
  ASSERT_EQ(mkfifo(weights.c_str(), 0600), 0);
  EXPECT_THAT(reason(), HasSubstr("m/model.safetensors: is a special file"));
  fs::remove(weights);
  fs::create_directory(weights);
  EXPECT_THAT(reason(), HasSubstr("m/model.safetensors: is a directory"));
}

TEST_F(DiscoverTest, TokenizersThatALoadWouldRefuse) {
  WriteModel("m", R"({"model_type": "llama"})");
  const std::string tokenizer = dir_.Path("m/tokenizer.json");
  fs::rename(tokenizer, dir_.Path("tokenizer.json"));
  fs::create_symlink("../tokenizer.json", tokenizer);
  EXPECT_THAT(DiscoverOne(dir_.path()).reason, HasSubstr("m/tokenizer.json: links to "));
  fs::remove(tokenizer);
  fs::create_hard_link(dir_.Path("tokenizer.json"), tokenizer);
  EXPECT_THAT(DiscoverOne(dir_.path()).reason, HasSubstr("m/tokenizer.json: has 2 hard links"));
}

TEST_F(DiscoverTest, LinksOutOfTheFolder) {
  const TempDir blobs;
  fs::create_directory(dir_.Path("m"));
  fs::create_symlink(blobs.Write("1", R"({"model_type": "llama"})"), dir_.Path("m/config.json"));
  fs::create_symlink(blobs.Write("2", "weights"), dir_.Path("m/model.safetensors"));
  fs::create_symlink(blobs.Write("3", "{}"), dir_.Path("m/tokenizer.json"));
  Found found = DiscoverOne(dir_.path());
  EXPECT_THAT(found.reason, HasSubstr("m/config.json: links to "));
  EXPECT_THAT(found.reason,
              HasSubstr("expected a file inside its folder (or option allow_symlinks"));
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_i64(config.get(), "allow_symlinks", 14, 1, &err));
  found = DiscoverOne(dir_.path(), config.get());
  EXPECT_TRUE(found.loadable) << found.reason;
  EXPECT_EQ(found.bytes, 7u);
}

TEST_F(DiscoverTest, FoldersThatCannotBeListedAreLoggedAndLeftOut) {
  WriteModel("a", R"({"model_type": "llama"})");
  WriteModel("b", R"({"model_type": "llama"})");
  fs::permissions(dir_.path(), fs::perms::all);
  fs::permissions(dir_.Path("b"), fs::perms::none);
  std::string log;
  Runtime runtime;
  const inf_log_fn append = [](void* user, int32_t, const char*, size_t, const char* text,
                               size_t length) {
    static_cast<std::string*>(user)->append(text, length);
  };
  ASSERT_OK(inf_runtime_new(nullptr, append, &log, nullptr, runtime.out(), &err));
  ModelList list;
  {
    const NotRoot not_root;
    ASSERT_OK(inf_discover(runtime.get(), dir_.path().data(), dir_.path().size(), nullptr,
                           list.out(), &err));
  }
  fs::permissions(dir_.Path("b"), fs::perms::all);
  EXPECT_EQ(inf_model_list_count(list.get()), 1u);
  EXPECT_THAT(log, HasSubstr("b: cannot list: "));
}

}  // namespace
}  // namespace inference::capi_test
