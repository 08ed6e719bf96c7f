// Hidden states: against logits, which are products of the head with them, and many texts against
// each alone.
#include "engine/embed.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/tiny_models.h"
#include "formats/safetensors.h"
#include "models/checkpoint.h"
#include "support/expect_error.h"

namespace inference {
namespace {

using Spans = std::vector<std::span<const int32_t>>;
using Vectors = std::vector<std::vector<float>>;

Vectors Embeddings(Model& model, const std::vector<Ids>& texts, const EmbedOptions& options) {
  Vectors out;
  for (auto& result : EmbedTexts(model, Spans(texts.begin(), texts.end()), options, nullptr)) {
    EXPECT_FALSE(result.error) << result.error->what();
    out.push_back(std::move(result.value));
  }
  return out;
}

std::vector<float> ReadTensor(const TensorSet& tensors, const std::string& name) {
  const TensorEntry* entry = tensors.Find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + name);
  std::vector<std::byte> bytes(entry->bytes);
  tensors.Read(*entry, 0, bytes);
  if (entry->dtype == DType::kF32) {
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  EXPECT_EQ(entry->dtype, DType::kBF16);
  std::vector<float> values;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const auto high = std::to_integer<uint32_t>(bytes[i]) | std::to_integer<uint32_t>(bytes[i + 1])
                                                                << 8;
    values.push_back(std::bit_cast<float>(high << 16));
  }
  return values;
}

std::vector<Ids> Texts() {
  std::vector<Ids> out;
  for (size_t i = 0; i < 12; ++i) {
    Ids text;
    for (size_t t = 0; t < 1 + i * 17 % 100; ++t) {
      text.push_back(static_cast<int32_t>(1 + (t * 31 + t * t * 3 + i * 11) % 400));
    }
    out.push_back(text);
  }
  return out;
}

double Length(const std::vector<float>& vector) {
  double squares = 0.0;
  for (const float x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(squares);
}

class EmbedTextsOf : public testing::TestWithParam<const char*> {};

// Of the reference, without a cap: logits = head * state.
TEST_P(EmbedTextsOf, TheHeadTimesTheLastStateIsTheGoldenLogits) {
  const std::string name = GetParam();
  const std::shared_ptr<Model> model = TinyModel(name);
  const Checkpoint checkpoint = OpenCheckpoint(TinyPath(name));
  const TensorSet golden =
      OpenSafetensors(INFERENCE_TEST_DATA "/golden/tiny/" + name + "/logits.safetensors");
  const bool tied = checkpoint.tensors.Find("lm_head.weight") == nullptr;
  const std::vector<float> head =
      ReadTensor(checkpoint.tensors, tied ? "model.embed_tokens.weight" : "lm_head.weight");
  const Ids ids = TinyGolden(name)["long_ids"].get<Ids>();
  const std::vector<float> want = ReadTensor(golden, "logits.long");
  const Vectors states = Embeddings(*model, {ids}, {.pooling = Pooling::kLast, .normalize = false});
  const size_t D = states[0].size(), V = head.size() / D;
  ASSERT_EQ(want.size(), V * ids.size());
  for (size_t v = 0; v < V; ++v) {
    double logit = 0.0;
    for (size_t d = 0; d < D; ++d) {
      logit += static_cast<double>(head[v * D + d]) * static_cast<double>(states[0][d]);
    }
    ASSERT_NEAR(logit, static_cast<double>(want[V * (ids.size() - 1) + v]), 3e-3) << "token " << v;
  }
}

TEST_P(EmbedTextsOf, ManyAreEachAlone) {
  const std::shared_ptr<Model> model = TinyModel(GetParam(), 64);
  const std::vector<Ids> texts = Texts();
  for (const Pooling pooling : {Pooling::kMean, Pooling::kLast, Pooling::kFirst}) {
    for (const std::optional<int64_t> layers : {std::optional<int64_t>(), {0}, {1}}) {
      const EmbedOptions options{.pooling = pooling, .layers = layers};
      const Vectors together = Embeddings(*model, texts, options);
      for (size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(together[i], Embeddings(*model, {texts[i]}, options)[0]) << "text " << i;
        EXPECT_NEAR(Length(together[i]), 1.0, 1e-6);
      }
    }
  }
  EXPECT_EQ(model->executor().cache()->used_bytes(), 0u) << "keys and values are kept";
}

INSTANTIATE_TEST_SUITE_P(Tiny, EmbedTextsOf, testing::Values("llama-gqa", "gemma3-text"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(EmbedTexts, PoolsAsItSays) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const Ids text = Texts()[5];
  Vectors states;  // of each token: the last one of each beginning
  for (size_t n = 1; n <= text.size(); ++n) {
    states.push_back(Embeddings(*model, {Ids(text.begin(), text.begin() + static_cast<int64_t>(n))},
                                {.pooling = Pooling::kLast, .normalize = false})[0]);
  }
  const auto pooled = [&](Pooling pooling) {
    return Embeddings(*model, {text}, {.pooling = pooling, .normalize = false})[0];
  };
  EXPECT_EQ(pooled(Pooling::kFirst), states[0]);
  const std::vector<float> mean = pooled(Pooling::kMean);
  for (size_t d = 0; d < mean.size(); ++d) {
    double sum = 0.0;
    for (const std::vector<float>& state : states) sum += static_cast<double>(state[d]);
    EXPECT_NEAR(static_cast<double>(mean[d]), sum / static_cast<double>(states.size()), 1e-6);
  }
}

TEST(EmbedTexts, LayerZeroIsTheTableOfTokens) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const std::vector<float> table =
      ReadTensor(OpenCheckpoint(TinyPath("llama-gqa")).tensors, "model.embed_tokens.weight");
  const auto state =
      Embeddings(*model, {{7}}, {.pooling = Pooling::kLast, .layers = 0, .normalize = false})[0];
  const auto row = table.begin() + static_cast<int64_t>(7 * state.size());
  EXPECT_EQ(state, std::vector<float>(row, row + static_cast<int64_t>(state.size())));
}

TEST(EmbedTexts, ATextFailsAlone) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const Ids none, good = {3, 4};
  const auto got = EmbedTexts(*model, Spans{none, good}, {}, nullptr);
  ASSERT_TRUE(got[0].error);
  EXPECT_EQ(got[0].error->status(), Status::kArg);
  EXPECT_FALSE(got[1].error);
  EXPECT_TRUE(EmbedTexts(*model, {}, {}, nullptr).empty());
  ExpectError(Status::kArg, {"layer is 99, want 0..3"},
              [&] { EmbedTexts(*model, Spans{good}, {.layers = 99}, nullptr); });
}

}  // namespace
}  // namespace inference
