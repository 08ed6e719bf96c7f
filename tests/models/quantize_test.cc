// Quantising as MLX does it, to the same bits: rows against mlx.core.quantize
// (tests/data/mlx/make_quantized.py), folders against mlx_lm.convert.
#include "models/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "formats/json.h"
#include "formats/safetensors.h"
#include "models/affine_quantize.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"
#include "util/file.h"
#include "util/float16.h"

namespace inference {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";

std::vector<std::byte> Bytes(const TensorSet& tensors, const std::string& name) {
  const TensorEntry* entry = tensors.Find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + name);
  std::vector<std::byte> bytes(entry->bytes);
  tensors.Read(*entry, 0, bytes);
  return bytes;
}

TEST(Float16, ConversionsAreExactAndRoundToEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    if ((bits & 0x7C00) == 0x7C00 && (bits & 0x3FF) != 0) {
      EXPECT_TRUE(std::isnan(value) && std::isnan(HalfToFloat(FloatToHalf(value))));
      continue;
    }
    ASSERT_EQ(FloatToHalf(value), half);
    if ((bits & 0x7FFF) >= 0x7BFF) continue;
    // Between two neighbours: the even one; a little above or below: the nearer one.
    const float middle = (value + HalfToFloat(static_cast<uint16_t>(half + 1))) / 2;
    ASSERT_EQ(FloatToHalf(middle), half + (half & 1)) << bits;
    const float away = bits & 0x8000 ? -INFINITY : INFINITY;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, away)), half + 1) << bits;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), half) << bits;
  }
  EXPECT_EQ(FloatToHalf(65519.9f), 0x7BFF);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7C00);
  EXPECT_EQ(FloatToBFloat(1.00390625f), 0x3F80);  // between 1 and the next: to even
  EXPECT_EQ(FloatToBFloat(1.01171875f), 0x3F82);
  EXPECT_EQ(FloatToBFloat(-1.0040f), 0xBF81);
  EXPECT_TRUE(std::isnan(BFloatToFloat(FloatToBFloat(NAN))));
}

TEST(QuantizeRow, GivesTheBitsOfMlx) {
  const TensorSet tensors = OpenSafetensors(INFERENCE_TEST_DATA "/mlx/quantized.safetensors");
  int count = 0;
  for (const TensorEntry& source : tensors.entries()) {
    int bits, group;
    if (!source.name.ends_with(".source") ||
        std::sscanf(source.name.c_str(), "affine%d_g%d", &bits, &group) != 2) {
      continue;
    }
    const std::string name = source.name.substr(0, source.name.rfind('.'));
    const auto format = WeightFormat::Affine(bits, group, source.dtype);
    std::vector<float> values(3 * 256);
    ToFloats(source.dtype, Bytes(tensors, source.name), values);
    std::vector<std::byte> words(Bytes(tensors, name + ".weight").size());
    std::vector<std::byte> scales(Bytes(tensors, name + ".scales").size()), biases(scales.size());
    QuantizeRow(format, values, words, scales, biases);  // rows are whole groups
    EXPECT_EQ(words, Bytes(tensors, name + ".weight")) << name;
    EXPECT_EQ(scales, Bytes(tensors, name + ".scales")) << name;
    EXPECT_EQ(biases, Bytes(tensors, name + ".biases")) << name;
    ++count;
  }
  EXPECT_EQ(count, 6 * 3 * 3);
}

// A copy of a tiny model, whose config a test may change.
class Source {
 public:
  explicit Source(const std::string& name) : config(ReadConfig(name)) {
    for (const auto& file : fs::directory_iterator(kTiny + name + "/model")) {
      fs::copy_file(file.path(), folder_.Path(file.path().filename().string()));
    }
  }
  std::string Path() {
    folder_.Write("config.json", config.dump());
    return folder_.path();
  }
  void WriteWeights(const std::string& header, const std::string& data) {
    folder_.Write("model.safetensors", SafetensorsFile(header, data));
  }

  Json config;

 private:
  static Json ReadConfig(const std::string& name) {
    return ReadJsonFile(kTiny + name + "/model/config.json", 1 << 20);
  }
  TempDir folder_;
};

void ExpectSameTensors(const std::string& folder, const std::string& want) {
  const TensorSet ours = OpenSafetensorsFolder(folder), mlx = OpenSafetensorsFolder(want);
  EXPECT_EQ(ours.entries().size(), mlx.entries().size());
  for (const TensorEntry& entry : mlx.entries()) {
    const TensorEntry* found = ours.Find(entry.name);
    ASSERT_NE(found, nullptr) << entry.name;
    EXPECT_EQ(found->dtype, entry.dtype) << entry.name;
    EXPECT_EQ(found->shape, entry.shape) << entry.name;
    EXPECT_TRUE(Bytes(ours, entry.name) == Bytes(mlx, entry.name)) << entry.name;
  }
}

TEST(QuantizeFolder, GivesTheFilesOfMlxLm) {
  const TempDir out;
  for (const char* name : {"llama-gqa", "gemma3-text"}) {
    Source source(name);
    const std::string to = out.Path(name), mlx = kTiny + name + "/model-mlx-4bit";
    QuantizeFolder(source.Path(), to, {.bits = 4, .group = 32});
    ExpectSameTensors(to, mlx);
    const Json config = ReadJsonFile(to + "/config.json", 1 << 20);
    EXPECT_EQ(config, ReadJsonFile(mlx + "/config.json", 1 << 20));
    EXPECT_EQ(config["quantization"]["bits"], 4);
    EXPECT_EQ(ReadJsonFile(to + "/model.safetensors.index.json", 1 << 20),
              ReadJsonFile(mlx + "/model.safetensors.index.json", 1 << 20));
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
      EXPECT_EQ(ReadTextFile(to + "/" + file, 1 << 24),
                ReadTextFile(kTiny + name + "/model/" + file, 1 << 24));
    }
  }
}

TEST(QuantizeFolder, CastsToTheTypeOfTheConfig) {
  Source source("llama-gqa");
  source.config["torch_dtype"] = "float16";
  const TempDir out;
  QuantizeFolder(source.Path(), out.Path("m"), {.bits = 8, .group = 64});
  ExpectSameTensors(out.Path("m"), kTiny + "llama-gqa/model-mlx-8bit");
}

TEST(QuantizeFolder, LeavesWhatCannotBeQuantisedAndDropsWhatIsNotUsed) {
  Source source("llama-gqa");
  source.config["tie_word_embeddings"] = true;
  source.config.erase("torch_dtype");
  const auto tensor = [](const char* name, const char* shape, int from, int to) {
    return fmt::format(R"("{}":{{"dtype":"F32","shape":{},"data_offsets":[{},{}]}})", name, shape,
                       from, to);
  };
  source.WriteWeights(
      fmt::format("{{{},{},{},{},{}}}", tensor("a.weight", "[2,32]", 0, 256),
                  tensor("b.weight", "[2,33]", 256, 520), tensor("norm.weight", "[64]", 520, 776),
                  tensor("lm_head.weight", "[1,32]", 776, 904),
                  tensor("model.vision_tower.x.weight", "[1,32]", 904, 1032)),
      std::string(1032, '\1'));
  const TempDir out;
  QuantizeFolder(source.Path(), out.Path("m"), {.bits = 3, .group = 32});
  const TensorSet tensors = OpenSafetensorsFolder(out.Path("m"));
  ASSERT_EQ(tensors.entries().size(), 5u);
  EXPECT_EQ(tensors.Find("a.weight")->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(tensors.Find("a.scales")->shape, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(tensors.Find("b.weight")->dtype, DType::kF32);
  EXPECT_EQ(Bytes(tensors, "b.weight"), std::vector<std::byte>(264, std::byte{1}));
  EXPECT_EQ(tensors.Find("norm.weight")->bytes, 256u);
}

// After a failure the folder that would hold the result is as empty as before.
void ExpectFails(Status status, std::initializer_list<std::string_view> parts,
                 const std::string& path, const QuantizeOptions& options) {
  const TempDir out;
  ExpectError(status, parts, [&] { QuantizeFolder(path, out.Path("m"), options); });
  EXPECT_TRUE(fs::is_empty(out.path()));
}

TEST(QuantizeFolder, LeavesNothingAfterAFailure) {
  Source source("llama-gqa");
  const std::string path = source.Path();
  ExpectFails(Status::kArg, {"bits: is 7, expected 2, 3, 4, 5, 6, 8"}, path, {.bits = 7});
  ExpectFails(Status::kArg, {"group: is 16, expected 32, 64, 128"}, path, {.group = 16});
  ExpectFails(Status::kNotFound, {"/absent"}, path + "/absent", {});
  ExpectFails(Status::kUnsupported,
              {"model-mlx-4bit/config.json: quantization: is present, expected weights that are "
               "not quantised"},
              kTiny + "llama-gqa/model-mlx-4bit", {});
  CancelFlag cancel;
  cancel.Trigger();
  ExpectFails(Status::kCancelled, {"quantize: cancelled"}, path, {.cancel = &cancel});
  cancel.Reset();
  int calls = 0;
  QuantizeOptions stop{.cancel = &cancel};
  stop.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_LE(done, total);
    if (++calls == 3) cancel.Trigger();
  };
  ExpectFails(Status::kCancelled, {"quantize: cancelled"}, path, stop);
  EXPECT_EQ(calls, 3);

  source.WriteWeights(R"({"a.weight":{"dtype":"F32","shape":[2,32],"data_offsets":[0,256]},)"
                      R"("a.scales":{"dtype":"U8","shape":[1],"data_offsets":[256,257]}})",
                      std::string(257, '\0'));
  ExpectFails(Status::kFormat, {"tensor 'a.scales': is in the way"}, path, {.group = 32});
}

// A tensor of float32 zeros with some other values, by number.
void WriteFloats(Source& source, const char* name, const char* shape, size_t count,
                 std::initializer_list<std::pair<size_t, float>> values) {
  std::string data(4 * count, '\0');
  for (const auto& [at, value] : values) std::memcpy(&data[4 * at], &value, 4);
  source.WriteWeights(fmt::format(R"({{"{}":{{"dtype":"F32","shape":{},"data_offsets":[0,{}]}}}})",
                                  name, shape, data.size()),
                      data);
}

// What is no number in the result is refused wherever it comes from.
TEST(QuantizeFolder, RefusesValuesThatAreNotFinite) {
  Source source("llama-gqa");
  source.config.erase("torch_dtype");
  std::string path = source.Path();
  const auto refuse = [&](const std::string& text, int bits = 4) {
    ExpectFails(Status::kNumeric, {path + "/model.safetensors: tensor '" + text}, path,
                {.bits = bits, .group = 32});
  };
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    WriteFloats(source, "a.weight", "[2,32]", 64, {{37, bad}});
    refuse("a.weight': value 37 is not a finite number");
    WriteFloats(source, "norm.weight", "[40]", 40, {{39, bad}});  // copied
    refuse("norm.weight': value 39 is not a finite number");
  }
  // Past the first chunk, too.
  constexpr size_t kMany = (4 << 20) / 4 + 100;
  WriteFloats(source, "norm.weight", fmt::format("[{}]", kMany).c_str(), kMany, {{kMany - 3, NAN}});
  refuse(fmt::format("norm.weight': value {} is not a finite number", kMany - 3));
  // The distance of two float32 values may be none.
  WriteFloats(source, "a.weight", "[3,64]", 192, {{100, 3e38f}, {120, -3e38f}});
  refuse("a.weight': scale 3 is not a finite number");

  // What config.json asks for may not reach as far.
  source.config["torch_dtype"] = "float16";
  path = source.Path();
  const std::string as = " is not a finite number as F16, the type that config.json tells";
  WriteFloats(source, "a.weight", "[2,32]", 64, {{40, 65520.0f}});
  refuse("a.weight': value 40" + as);
  WriteFloats(source, "norm.weight", "[40]", 40, {{7, -1e6f}});
  refuse("norm.weight': value 7" + as);
}

TEST(QuantizeFolder, KeepsTheLargestFiniteValues) {
  Source source("llama-gqa");
  source.config["torch_dtype"] = "float16";
  WriteFloats(source, "a.weight", "[1,32]", 32, {{3, 65504.0f}, {5, -65504.0f}});
  const TempDir out;
  QuantizeFolder(source.Path(), out.Path("m"), {.bits = 2, .group = 32});
  const std::vector<std::byte> bias = Bytes(OpenSafetensorsFolder(out.Path("m")), "a.biases");
  std::vector<float> value(1);
  ToFloats(DType::kF16, bias, value);
  EXPECT_EQ(std::abs(value[0]), 65504.0f);
}

TEST(QuantizeFolder, ManyTensorsTakeLinearTime) {
  Source source("llama-gqa");
  std::string header;
  constexpr int kCount = 120'000;
  for (int i = 0; i < kCount; ++i) {
    header += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})",
                          i == 0 ? "{" : ",", i, i, i + 1);
  }
  source.WriteWeights(header + "}", std::string(kCount, 'x'));
  const TempDir out;
  const std::clock_t start = std::clock();  // of the processor: others may be busy, too
  QuantizeFolder(source.Path(), out.Path("m"), {});
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 10);
  EXPECT_EQ(OpenSafetensorsFolder(out.Path("m")).entries().size(), size_t{kCount});
}

TEST(QuantizeFolder, WritesOnlyWhereThereIsNothing) {
  Source source("llama-gqa");
  const TempDir out;
  out.Write("file", "x");
  ExpectError(Status::kState, {out.path() + ": exists, expected a new or an empty folder"},
              [&] { QuantizeFolder(source.Path(), out.path(), {}); });
  ExpectError(Status::kState, {out.Path("file") + ": exists"},
              [&] { QuantizeFolder(source.Path(), out.Path("file"), {}); });
  ExpectError(Status::kNotFound, {out.Path("a/b") + ": cannot create a folder beside it"},
              [&] { QuantizeFolder(source.Path(), out.Path("a/b"), {}); });
  for (const std::string name : {".", "..", "./"}) {
    ExpectError(Status::kArg, {"ends in '.", "', expected the name of a new or an empty folder"},
                [&] { QuantizeFolder(source.Path(), out.Path(name), {}); });
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(out.path()), {}), 1);
  fs::create_directory(out.Path("empty"));
  QuantizeFolder(source.Path(), out.Path("empty/"), {});
  EXPECT_TRUE(FileExists(out.Path("empty/config.json")));
  EXPECT_EQ(std::distance(fs::directory_iterator(out.path()), {}), 2);
}

}  // namespace
}  // namespace inference
