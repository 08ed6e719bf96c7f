// Tiny models of each kind against the logits and greedy continuations of Hugging Face's code.
#include <gtest/gtest.h>

#include <cmath>

#include "models/model_runner.h"
#include "support/matmul_choice.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"
#include "tensor/packed.h"
#include "util/file.h"

namespace inference {
namespace {

constexpr const char* kTiny = INFERENCE_TEST_DATA "/golden/tiny/";
constexpr float kTolerance = 2e-4f;  // of the largest |logit|

struct Prompt {
  std::string name;  // of the tensor
  Ids ids;
};

struct Golden {
  Json json;
  TensorSet logits;
  std::vector<Prompt> prompts;
};

Golden ReadGolden(const std::string& name) {
  Golden out;
  out.json = ReadJsonFile(kTiny + name + "/golden.json", 1 << 20);
  out.logits = OpenSafetensors(kTiny + name + "/logits.safetensors");
  for (size_t i = 0; i < out.json["prompts"].size(); ++i) {
    out.prompts.push_back({fmt::format("logits.{}", i), out.json["prompts"][i]["ids"].get<Ids>()});
  }
  out.prompts.push_back({"logits.long", out.json["long_ids"].get<Ids>()});
  return out;
}

class GoldenTest : public testing::TestWithParam<const char*> {
 protected:
  // The logits after all ids, in single steps that want no others: one launch each, as in decoding.
  std::vector<float> LastLogitsOfSteps(const Ids& ids, DType kv_type, bool rounded) const {
    ModelRunner runner(*network_, static_cast<int64_t>(ids.size()), 1, {}, kv_type, rounded);
    std::vector<float> last;
    for (const int32_t id : ids) last = runner.Run(Ids{id}, LogitsOf::kLast);
    return last;
  }
  // Of the logits of every position, those of the last.
  std::vector<float> LastOf(const std::vector<float>& all) const {
    return {all.end() - network_->dims().vocab_size, all.end()};
  }

  const Golden golden_ = ReadGolden(GetParam());
  const std::unique_ptr<CausalLm> network_ =
      LoadTestModel(kTiny + std::string(GetParam()) + "/model");
};

TEST_P(GoldenTest, LogitsAgreeInEveryChunking) {
  for (const Prompt& prompt : golden_.prompts) {
    const std::vector<float> want = ReadTensor(golden_.logits, prompt.name);
    const std::vector<float> got = AllLogits(*network_, prompt.ids, prompt.ids.size());
    ASSERT_EQ(got.size(), want.size());
    const Difference worst = Compare(got, want);
    EXPECT_LE(worst.difference, kTolerance * worst.size) << prompt.name;
    for (const size_t chunk : {1, 7}) {
      EXPECT_TRUE(AllLogits(*network_, prompt.ids, chunk) == got)
          << prompt.name << ": other bits in chunks of " << chunk << ", off by "
          << Compare(AllLogits(*network_, prompt.ids, chunk), got).difference;
    }
  }
}

TEST_P(GoldenTest, GreedyContinuationsAgree) {
  for (const Json& generated : golden_.json["generate"]) {
    const auto prompt = std::ranges::find_if(golden_.json["prompts"], [&](const Json& candidate) {
      return candidate["text"] == generated["prompt"];
    });
    ASSERT_NE(prompt, golden_.json["prompts"].end());
    const Ids want = generated["ids"].get<Ids>();
    const GreedyResult got = Greedy(*network_, (*prompt)["ids"].get<Ids>(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      if (got.ids[i] == want[i]) continue;
      EXPECT_LT(got.margins[i], 1e-3f) << "step " << i << " after " << generated["prompt"];
      break;  // the reference itself could go either way
    }
  }
}

TEST_P(GoldenTest, LastLogitsAreTheLastRowOfAll) {
  const Ids& ids = golden_.prompts.back().ids;
  const std::vector<float> all = AllLogits(*network_, ids, ids.size());
  const auto T = static_cast<int64_t>(ids.size());
  ModelRunner runner(*network_, T, T);
  const std::vector<float> last = runner.Run(ids, LogitsOf::kLast);
  EXPECT_TRUE(
      std::equal(last.begin(), last.end(), all.end() - network_->dims().vocab_size, all.end()));
}

TEST_P(GoldenTest, KernelsOfOtherDevicesAgree) {
  const Ids& ids = golden_.prompts.back().ids;
  const std::vector<float> want = ReadTensor(golden_.logits, golden_.prompts.back().name);
  for (const size_t chunk : {ids.size(), size_t{1}}) {
    const Difference worst = Compare(AllLogits(*network_, ids, chunk, KernelFamily::kGpu), want);
    EXPECT_LE(worst.difference, kTolerance * worst.size) << "chunks of " << chunk;
  }
}

// The rms of a - b, of the rms of b.
double RmsError(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / size);
}

// docs/KERNELS.md has the errors. Random weights make large scores, which magnify the roundings.
TEST_P(GoldenTest, RoundedKeysAndValuesCostLittleAndKeepBitsInEveryChunking) {
  const WithMatmulChoice with(kTilesChoice);  // of one size: fewer kernels to build
  struct Rounded {
    DType type;
    double tolerance;
  };
  for (const auto& [type, tolerance] : {Rounded{DType::kF16, 0.005}, {DType::kQ8_0, 0.1}}) {
    for (const Prompt& prompt : golden_.prompts) {
      const std::string what = fmt::format("{}_{}", InfoOf(type).name, prompt.name);
      SCOPED_TRACE(what);
      const auto logits = [&, type = type](size_t chunk, std::optional<KernelFamily> family = {}) {
        return AllLogits(*network_, prompt.ids, chunk, family, type);
      };
      const size_t all = prompt.ids.size();
      const std::vector<float> got = logits(all);
      const double error = RmsError(got, ReadTensor(golden_.logits, prompt.name));
      EXPECT_LE(error, tolerance);
      // Of one token, too: its own value is read back from the cache.
      EXPECT_FALSE(got == AllLogits(*network_, prompt.ids, all)) << "was it kept in floats?";
      RecordProperty(what, fmt::format("{:.2e}", error));
      for (const size_t chunk : {1, 7}) {
        EXPECT_TRUE(logits(chunk) == got) << "other bits in chunks of " << chunk;
      }
      const Difference other = Compare(logits(all, KernelFamily::kGpu), got);
      EXPECT_LE(other.difference, kTolerance * other.size);
      EXPECT_TRUE(LastLogitsOfSteps(prompt.ids, type, false) == LastOf(got));
    }
  }
}

// docs/KERNELS.md has the errors of real models.
TEST_P(GoldenTest, RoundedActivationsCostLittleAndKeepBitsInEveryChunking) {
  // Random weights make large scores, which magnify the roundings.
  constexpr double kRoundedTolerance = 0.2;  // rms difference, of the rms of the logits
  for (const Prompt& prompt : golden_.prompts) {
    const auto logits = [&](size_t chunk, bool rounded, std::optional<KernelFamily> family = {}) {
      return AllLogits(*network_, prompt.ids, chunk, family, DType::kF32, rounded);
    };
    const size_t all = prompt.ids.size();
    const std::vector<float> got = logits(all, true), exact = logits(all, false);
    const double error = RmsError(got, exact);
    EXPECT_LE(error, kRoundedTolerance) << prompt.name;
    EXPECT_GT(error, 0.0) << prompt.name << ": was anything rounded?";
    RecordProperty(prompt.name, fmt::format("{:.2e}", error));
    for (const size_t chunk : {1, 7}) {
      EXPECT_TRUE(logits(chunk, true) == got)
          << prompt.name << ": other bits in chunks of " << chunk;
    }
    const Difference other = Compare(logits(all, true, KernelFamily::kGpu), got);
    EXPECT_LE(other.difference, kTolerance * other.size) << prompt.name;
    EXPECT_TRUE(LastLogitsOfSteps(prompt.ids, DType::kF32, true) == LastOf(got)) << prompt.name;
  }
}

TEST_P(GoldenTest, ASequenceCutBackGoesOnWithTheSameBits) {
  const Ids& ids = golden_.prompts.back().ids;
  const auto T = static_cast<int64_t>(ids.size());
  const std::vector<float> want = AllLogits(*network_, ids, ids.size());
  ModelRunner runner(*network_, T, /*max_chunk=*/7);
  const auto run_from = [&](int64_t first) {
    runner.sequence().Truncate(first);
    for (auto at = static_cast<size_t>(first); at < ids.size(); at += 7) {
      const size_t count = std::min<size_t>(7, ids.size() - at);
      const std::vector<float> got = runner.Run(std::span(ids).subspan(at, count), LogitsOf::kAll);
      const size_t V = got.size() / count;
      ASSERT_TRUE(
          std::equal(got.begin(), got.end(), want.begin() + static_cast<std::ptrdiff_t>(at * V)))
          << "from " << first << ", at " << at;
    }
  };
  run_from(0);
  const int64_t oldest = runner.sequence().OldestRestorable();
  // Windows of 12 have left the first page.
  EXPECT_EQ(oldest > 0, network_->dims().architecture.starts_with("gemma"));
  run_from(oldest);
  run_from(T - 3);
}

INSTANTIATE_TEST_SUITE_P(Tiny, GoldenTest,
                         testing::Values("llama-gqa", "llama-rope-llama3", "llama-mha-headdim",
                                         "qwen2-bias", "qwen3-qknorm", "gemma2", "gemma3-text",
                                         "gemma3-scaled"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// `folder`/model.safetensors with names that begin with `prefix`, and a vision tensor.
void WriteNested(const TempDir& folder, const std::string& source, const std::string& prefix,
                 const std::string& instead_of) {
  std::string file = ReadTextFile(source, 1 << 24);
  uint64_t length;
  std::memcpy(&length, file.data(), sizeof(length));
  const Json header = ParseJson(std::string_view(file).substr(8, length), source);
  const std::string data = file.substr(8 + length);
  Json renamed;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    EXPECT_TRUE(name.starts_with(instead_of)) << name;
    renamed[prefix + name.substr(instead_of.size())] = entry;
  }
  renamed["vision_tower.dummy"] = {
      {"dtype", "F32"}, {"shape", {4}}, {"data_offsets", {data.size(), data.size() + 16}}};
  folder.Write("model.safetensors", SafetensorsFile(renamed.dump(), data + std::string(16, '\0')));
}

TEST(NestedGemma3, IsTheSameModelUnderBothPrefixes) {
  const std::string source = kTiny + std::string("gemma3-text/");
  const Golden golden = ReadGolden("gemma3-text");
  const std::unique_ptr<CausalLm> flat = LoadTestModel(source + "model");
  const Ids& ids = golden.prompts[0].ids;
  const std::vector<float> want = AllLogits(*flat, ids, ids.size());
  for (const char* prefix : {"language_model.model.", "model.language_model."}) {
    const TempDir folder;
    folder.Write("config.json", ReadTextFile(source + "model-nested/config.json", 1 << 20));
    WriteNested(folder, source + "model/model.safetensors", prefix, "model.");
    const std::unique_ptr<CausalLm> nested = LoadTestModel(folder.path());
    EXPECT_EQ(nested->dims().vocab_size, 704);
    EXPECT_EQ(nested->dims().architecture, "gemma3");
    EXPECT_TRUE(AllLogits(*nested, ids, ids.size()) == want) << prefix;
    EXPECT_EQ(nested->stats().parameters, flat->stats().parameters);
  }
}

TEST(Stats, CountsWeightsOnceAndWhatATokenReads) {
  const std::unique_ptr<CausalLm> untied = LoadTestModel(kTiny + std::string("llama-gqa/model"));
  const ModelDims& d = untied->dims();
  EXPECT_EQ(d.architecture, "llama");
  EXPECT_EQ(d.context_length, 512);
  const int64_t block = 128 * (4 + 2 + 2) * 32 + 128 * 128 + 3 * 128 * 96 + 2 * 128;
  EXPECT_EQ(untied->stats().parameters, static_cast<uint64_t>(2 * 512 * 128 + 3 * block + 128));
  EXPECT_EQ(untied->stats().main_format, DType::kBF16);
  // All but the table, of which one row is read; the norms and frequencies are float32.
  EXPECT_EQ(untied->stats().decode_bytes_per_token,
            untied->stats().bytes - PackedBytes(DType::kBF16, 512, 128) + 2 * 128);

  const std::unique_ptr<CausalLm> tied =
      LoadTestModel(kTiny + std::string("llama-rope-llama3/model"));
  EXPECT_EQ(tied->stats().decode_bytes_per_token, tied->stats().bytes + 2 * 64);
}

TEST(Load, ReportsProgressAndStopsWhereAsked) {
  const Checkpoint checkpoint = OpenCheckpoint(kTiny + std::string("llama-gqa/model"));
  std::vector<uint64_t> done;
  CancelFlag cancel;
  ModelLoadHooks hooks;
  hooks.cancel = &cancel;
  hooks.progress = [&](uint64_t bytes, uint64_t total) {
    EXPECT_EQ(total, checkpoint.tensors.total_bytes());
    done.push_back(bytes);
  };
  LoadModel(checkpoint, TestDevice(), hooks);
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), checkpoint.tensors.total_bytes());

  done.clear();
  hooks.progress = [&](uint64_t bytes, uint64_t) {
    done.push_back(bytes);
    if (done.size() == 3) cancel.Trigger();
  };
  try {
    LoadModel(checkpoint, TestDevice(), hooks);
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kCancelled);
    EXPECT_LE(done.size(), 5u);
  }
}

}  // namespace
}  // namespace inference
