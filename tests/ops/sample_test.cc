// The sampler against its definition: sort by probability, cut, draw.
#include "ops/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "support/test_device.h"

namespace inference {
namespace {

// Ids drawn from the same logits with draw numbers 0 ... draws - 1.
std::vector<int32_t> Draw(const std::vector<float>& logits, const SampleOptions& options,
                          uint32_t draws, KernelFamily family = KernelFamily::kCpu,
                          bool forget = true) {
  std::vector<int32_t> out;
  const auto V = static_cast<int64_t>(logits.size());
  TestDevice()->Run([&] {
    Sampler sampler(*TestDevice(), V);
    StepBuffer step(*TestDevice(), 1);
    const Tensor row = Upload({1, V}, logits);
    Recording recording(TestDevice(), family);
    sampler.Record(recording, row, step);
    sampler.Reset(*TestDevice(), options);
    for (uint32_t draw = 0; draw < draws; ++draw) {
      if (forget) sampler.Reset(*TestDevice(), options);
      TestDevice()->Write(row.buffer, 0, std::as_bytes(std::span(logits)));
      step.Set(*TestDevice(), 0, draw, {});
      recording.Run();
      out.push_back(sampler.Result(*TestDevice()));
    }
  });
  return out;
}

// Probability of each id that may be drawn, by the definition in ops/sample.h.
std::map<int32_t, double> Reference(const std::vector<float>& logits,
                                    const SampleOptions& options) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  std::vector<double> p;
  for (const float v : logits) p.push_back(std::exp(static_cast<double>(v) - top));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  std::vector<int32_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return p[static_cast<size_t>(a)] > p[static_cast<size_t>(b)];
  });
  std::map<int32_t, double> kept;
  double before = 0, kept_total = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const double mass = p[static_cast<size_t>(order[rank])];
    const double top_p = static_cast<double>(options.top_p);
    if (top_p > 0 && top_p < 1 && before > top_p * total) break;
    if (mass < static_cast<double>(options.min_p)) break;
    if (options.top_k > 0 && static_cast<int32_t>(rank) >= options.top_k) break;
    before += mass;
    const auto logit = static_cast<double>(logits[static_cast<size_t>(order[rank])]);
    kept_total += kept[order[rank]] =
        std::exp((logit - top) / static_cast<double>(options.temperature));
  }
  for (auto& [id, mass] : kept) mass /= kept_total;
  return kept;
}

// Draws follow the reference: nothing else is drawn, and the counts fit within 5 sigma.
void ExpectDistribution(const std::vector<float>& logits, const SampleOptions& options) {
  constexpr uint32_t kDraws = 3000;
  const auto want = Reference(logits, options);
  std::map<int32_t, int> counts;
  for (const int32_t id : Draw(logits, options, kDraws)) ++counts[id];
  for (const auto& [id, count] : counts) EXPECT_TRUE(want.contains(id)) << "drew " << id;
  for (const auto& [id, p] : want) {
    const double sigma = std::sqrt(kDraws * p * (1 - p));
    EXPECT_NEAR(counts[id], kDraws * p, 5 * sigma + 1) << "id " << id << " of " << want.size();
  }
}

TEST(SampleTest, GreedyTakesTheLargestAndTheLowestIdOnATie) {
  for (const size_t V : {1u, 2u, 15u, 16u, 17u, 1000u, 49152u}) {
    auto logits = RandomNormal(V, static_cast<uint32_t>(V));
    for (const size_t at : {size_t{0}, V / 2, V - 1}) {
      auto peaked = logits;
      peaked[at] = 100.0f;
      EXPECT_EQ(Draw(peaked, {}, 1).front(), static_cast<int32_t>(at)) << "V " << V;
      EXPECT_EQ(Draw(peaked, {}, 1, KernelFamily::kGpu).front(), static_cast<int32_t>(at));
      peaked[V - 1] = 100.0f;
      EXPECT_EQ(Draw(peaked, {}, 1).front(), static_cast<int32_t>(at)) << "tie, V " << V;
    }
  }
}

TEST(SampleTest, LogitsThatAreNotNumbersGiveNoToken) {
  for (const size_t at : {0u, 7u, 16u, 36u}) {
    auto logits = RandomNormal(37, 1);
    logits[at] = std::nanf("");
    EXPECT_EQ(Draw(logits, {}, 1).front(), kNoToken) << at;
    EXPECT_EQ(Draw(logits, {.temperature = 1.0f}, 1).front(), kNoToken) << at;
  }
  EXPECT_EQ(Draw(std::vector<float>(20, -INFINITY), {}, 1).front(), kNoToken);
  std::vector<float> masked(20, -INFINITY);  // masking is not an error
  masked[3] = -5.0f;
  EXPECT_EQ(Draw(masked, {.temperature = 0.7f}, 1).front(), 3);
}

TEST(SampleTest, DrawsFollowTheDefinition) {
  const auto logits = RandomNormal(40, 2, 2.0f);
  ExpectDistribution(logits, {.temperature = 1.0f});
  ExpectDistribution(logits, {.temperature = 0.5f, .seed = 7});
  ExpectDistribution(logits, {.temperature = 1.7f, .top_k = 5});
  ExpectDistribution(logits, {.temperature = 1.0f, .top_p = 0.6f});
  ExpectDistribution(logits, {.temperature = 0.8f, .min_p = 0.05f});
  ExpectDistribution(logits, {.temperature = 1.2f, .top_k = 10, .top_p = 0.9f, .min_p = 0.02f});
}

TEST(SampleTest, CutsFallInsideGroupsOfEqualProbability) {
  std::vector<float> logits(33, -2.0f);  // 30 equal ones below three that stand out
  logits[4] = 1.0f;
  logits[20] = 0.5f;
  logits[21] = 0.5f;
  ExpectDistribution(logits, {.temperature = 1.0f, .top_k = 2});
  ExpectDistribution(logits, {.temperature = 1.0f, .top_k = 7});
  ExpectDistribution(logits, {.temperature = 1.0f, .top_p = 0.7f});
  ExpectDistribution(logits, {.temperature = 1.0f, .top_p = 0.001f});
  ExpectDistribution(logits, {.temperature = 1.0f, .top_k = 1000});  // more than there are
}

TEST(SampleTest, LargeVocabularyKeepsExactlyTheTopK) {
  const auto logits = RandomNormal(100003, 3, 3.0f);
  const SampleOptions options{.temperature = 5.0f, .top_k = 20};
  const auto want = Reference(logits, options);
  ASSERT_EQ(want.size(), 20u);
  std::set<int32_t> seen;
  for (const int32_t id : Draw(logits, options, 400)) {
    EXPECT_TRUE(want.contains(id)) << id;
    seen.insert(id);
  }
  EXPECT_GT(seen.size(), 10u);
}

TEST(SampleTest, SameSeedSameDrawsOtherSeedOthers) {
  const auto logits = RandomNormal(500, 4);
  const SampleOptions options{.temperature = 1.0f, .seed = 0x123456789abcdefull};
  EXPECT_EQ(Draw(logits, options, 50), Draw(logits, options, 50));
  SampleOptions other = options;
  other.seed ^= uint64_t{1} << 40;  // the upper half of the seed counts
  EXPECT_NE(Draw(logits, options, 50), Draw(logits, other, 50));
}

TEST(SampleTest, RepeatPenaltyActsOnWhatWasSampledSinceReset) {
  std::vector<float> logits(20, -10.0f);
  logits[5] = 4.0f;
  logits[9] = 3.0f;
  logits[2] = -1.0f;
  // Divided by 2 once it was drawn: 5, then 9, then 5 again (2.0 against 1.5).
  EXPECT_EQ(Draw(logits, {.repeat_penalty = 2.0f}, 3, KernelFamily::kCpu, false),
            (std::vector<int32_t>{5, 9, 5}));
  // Negative logits are multiplied.
  std::vector<float> negative(20, -10.0f);
  negative[5] = -1.0f;
  negative[9] = -1.5f;
  EXPECT_EQ(Draw(negative, {.repeat_penalty = 2.0f}, 3, KernelFamily::kCpu, false),
            (std::vector<int32_t>{5, 9, 5}));
  EXPECT_EQ(Draw(logits, {.repeat_penalty = 1.0f}, 3, KernelFamily::kCpu, false),
            (std::vector<int32_t>{5, 5, 5}));
}

}  // namespace
}  // namespace inference
