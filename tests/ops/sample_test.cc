// The sampler against its definition in ops/sample.h, in double.
#include "ops/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "support/test_device.h"

namespace inference {
namespace {

using enum SampleFilter;

struct Row {
  std::vector<float> logits;
  SampleOptions options;
  uint32_t draw = 0;
  std::vector<int32_t> history;
};

// One step of these rows, which must leave the logits as they were.
std::vector<int32_t> Sample(Sampler& sampler, const std::vector<Row>& rows, KernelFamily family) {
  std::vector<float> logits;
  std::vector<SampleRow> wanted;
  for (const Row& row : rows) {
    logits.insert(logits.end(), row.logits.begin(), row.logits.end());
    wanted.push_back({&row.options, row.draw, row.history});
  }
  const auto R = static_cast<int64_t>(rows.size());
  const Tensor uploaded = Upload({R, static_cast<int64_t>(rows[0].logits.size())}, logits);
  std::vector<int32_t> ids = TestDevice()->Run([&] {
    (void)sampler.Set(*TestDevice(), wanted);
    Recording recording(TestDevice(), family);
    sampler.Record(recording, uploaded);
    recording.Run();
    return sampler.Results(*TestDevice(), R);
  });
  const std::vector<float> after = Download(uploaded.buffer, logits.size());
  EXPECT_EQ(0, std::memcmp(after.data(), logits.data(), logits.size() * sizeof(float)));
  return ids;
}

std::vector<int32_t> Sample(const std::vector<Row>& rows,
                            KernelFamily family = KernelFamily::kCpu) {
  Sampler sampler(*TestDevice(), static_cast<int64_t>(rows[0].logits.size()),
                  static_cast<int64_t>(rows.size()));
  return Sample(sampler, rows, family);
}

// Ids drawn from the same logits with draw numbers 0 ... draws - 1, many in a batch.
std::vector<int32_t> Draw(const std::vector<float>& logits, const SampleOptions& options,
                          uint32_t draws, const std::vector<int32_t>& history = {}) {
  std::vector<int32_t> out;
  const uint32_t batch = std::min(draws, 64u);
  Sampler sampler(*TestDevice(), static_cast<int64_t>(logits.size()), batch);
  for (uint32_t draw = 0; draw < draws;) {
    std::vector<Row> rows;
    for (; rows.size() < batch && draw < draws; ++draw) {
      rows.push_back({logits, options, draw, history});
    }
    const auto ids = Sample(sampler, rows, KernelFamily::kCpu);
    out.insert(out.end(), ids.begin(), ids.end());
  }
  return out;
}

// ---- the definition ----

std::vector<double> Adjusted(const std::vector<float>& logits, const SampleOptions& options,
                             std::span<const int32_t> history) {
  std::vector<double> x(logits.begin(), logits.end());
  const auto window = static_cast<size_t>(options.penalty_window);
  if (window > 0 && history.size() > window) history = history.last(window);
  std::map<int32_t, int> times;
  for (const int32_t id : history) ++times[id];
  for (const auto& [id, n] : times) {
    double& value = x[static_cast<size_t>(id)];
    const auto repeat = static_cast<double>(options.repeat_penalty);
    value = value > 0 ? value / repeat : value * repeat;
    value -= static_cast<double>(options.frequency_penalty) * n;
    value -= static_cast<double>(options.presence_penalty);
  }
  for (const auto& [id, bias] : options.logit_bias) {
    x[static_cast<size_t>(id)] += static_cast<double>(bias);
  }
  return x;
}

using Kept = std::map<int32_t, double>;  // id -> probability

// softmax(x / t) of the ids in `kept`.
Kept Softmax(const std::vector<double>& x, const Kept& kept, double t) {
  double top = -INFINITY, total = 0;
  for (const auto& [id, unused] : kept) top = std::max(top, x[static_cast<size_t>(id)]);
  Kept out;
  for (const auto& [id, unused] : kept) {
    total += out[id] = std::exp((x[static_cast<size_t>(id)] - top) / t);
  }
  for (auto& [id, p] : out) p /= total;
  return out;
}

// Keeps the first ids by `key`, ascending, while `stays` says so of their rank and the mass before.
Kept KeepFirst(const Kept& p, const std::function<double(int32_t)>& key,
               const std::function<bool(int rank, double before)>& stays) {
  std::vector<int32_t> order;
  for (const auto& [id, unused] : p) order.push_back(id);
  std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return key(a) < key(b); });
  Kept out;
  double before = 0;
  for (int rank = 0; rank < static_cast<int>(order.size()) && stays(rank, before); ++rank) {
    const int32_t id = order[static_cast<size_t>(rank)];
    before += out[id] = p.at(id);
  }
  return out;
}

Kept Filter(SampleFilter filter, const Kept& p, const SampleOptions& options) {
  const auto likelier = [&](int32_t id) { return -p.at(id); };
  const auto mass = [](float limit) {
    return [limit](int, double before) { return before <= static_cast<double>(limit); };
  };
  const auto top = std::ranges::max_element(p, {}, [](const auto& entry) { return entry.second; });
  switch (filter) {
    case kTopP:
      return options.top_p > 0 && options.top_p < 1 ? KeepFirst(p, likelier, mass(options.top_p))
                                                    : p;
    case kTopK:
      if (options.top_k <= 0) return p;
      return KeepFirst(p, likelier, [&](int rank, double) { return rank < options.top_k; });
    case kMinP: {
      Kept out = p;
      std::erase_if(out, [&](const auto& entry) {
        return entry.second < static_cast<double>(options.min_p) * top->second;
      });
      return out;
    }
    case kTypical: {
      if (options.typical_p <= 0 || options.typical_p >= 1) return p;
      double entropy = 0;
      for (const auto& [id, q] : p) entropy -= q > 0 ? q * std::log(q) : 0;
      return KeepFirst(
          p, [&](int32_t id) { return std::abs(-std::log(p.at(id)) - entropy); },
          mass(options.typical_p));
    }
    case kTemperature:
      break;
  }
  return p;
}

Kept Reference(const std::vector<float>& logits, const SampleOptions& options,
               std::span<const int32_t> history = {}) {
  const std::vector<double> x = Adjusted(logits, options, history);
  const double top = *std::ranges::max_element(x);
  Kept kept;
  for (size_t id = 0; id < x.size(); ++id) {
    if (x[id] >= top - 87) kept[static_cast<int32_t>(id)] = 1;
  }
  double t = 1;
  for (size_t i = 0; i < options.filters; ++i) {
    if (options.order[i] == kTemperature) t = static_cast<double>(options.temperature);
    kept = Filter(options.order[i], Softmax(x, kept, t), options);
  }
  return Softmax(x, kept, t);
}

// Draws follow the reference: nothing else is drawn, and the counts fit within 5 sigma.
void ExpectDistribution(const std::vector<float>& logits, const SampleOptions& options,
                        uint32_t draws = 3000, const std::vector<int32_t>& history = {}) {
  const Kept want = Reference(logits, options, history);
  std::map<int32_t, int> counts;
  for (const int32_t id : Draw(logits, options, draws, history)) ++counts[id];
  for (const auto& [id, count] : counts) EXPECT_TRUE(want.contains(id)) << "drew " << id;
  for (const auto& [id, p] : want) {
    const double sigma = std::sqrt(draws * p * (1 - p));
    EXPECT_NEAR(counts[id], draws * p, 5 * sigma + 1) << "id " << id << " of " << want.size();
  }
}

// ---- greedy, and what is no number ----

TEST(SampleTest, GreedyTakesTheLargestAndTheLowestIdOnATie) {
  for (const size_t V : {1u, 2u, 15u, 16u, 17u, 1000u, 49152u}) {
    auto logits = RandomNormal(V, static_cast<uint32_t>(V));
    for (const size_t at : {size_t{0}, V / 2, V - 1}) {
      const auto want = static_cast<int32_t>(at);
      auto peaked = logits;
      peaked[at] = 100.0f;
      EXPECT_EQ(Sample({{peaked, {}}}).front(), want) << "V " << V;
      EXPECT_EQ(Sample({{peaked, {}}}, KernelFamily::kGpu).front(), want);
      peaked[V - 1] = 100.0f;
      EXPECT_EQ(Sample({{peaked, {}}}).front(), want) << "tie, V " << V;
    }
  }
}

TEST(SampleTest, LogitsThatAreNotNumbersGiveNoToken) {
  for (const size_t at : {0u, 7u, 16u, 36u}) {
    auto logits = RandomNormal(37, 1);
    logits[at] = std::nanf("");
    const auto good = RandomNormal(37, 2);
    const auto ids = Sample({{logits, {}},
                             {logits, {.temperature = 1.0f}},
                             {logits, {.logit_bias = {{3, 1.0f}}}},
                             {good, {.temperature = 1.0f}}});
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ids[i], kNoToken) << at;
    EXPECT_GE(ids[3], 0) << "its neighbours do not matter to a row";
  }
  EXPECT_EQ(Sample({{std::vector<float>(20, -INFINITY), {}}}).front(), kNoToken);
  std::vector<float> masked(20, -INFINITY);  // masking is not an error
  masked[3] = -5.0f;
  EXPECT_EQ(Sample({{masked, {.temperature = 0.7f}}}).front(), 3);
  masked[4] = INFINITY;
  EXPECT_EQ(Sample({{masked, {}}}).front(), kNoToken);
}

// ---- filters ----

TEST(SampleTest, DrawsFollowTheDefinition) {
  const auto logits = RandomNormal(40, 2, 2.0f);
  ExpectDistribution(logits, {.temperature = 1.0f});
  ExpectDistribution(logits, {.temperature = 0.5f, .seed = 7});
  ExpectDistribution(logits, {.temperature = 1.7f, .top_k = 5});
  ExpectDistribution(logits, {.temperature = 1.0f, .top_p = 0.6f});
  ExpectDistribution(logits, {.temperature = 0.8f, .min_p = 0.05f});
  ExpectDistribution(logits, {.temperature = 1.0f, .typical_p = 0.5f});
  ExpectDistribution(logits, {.temperature = 0.05f, .typical_p = 0.3f});
  ExpectDistribution(logits, {.temperature = 1.2f, .top_k = 10, .top_p = 0.9f, .min_p = 0.02f});
}

// Every order of every selection of filters.
TEST(SampleTest, EveryOrderFollowsTheDefinition) {
  const auto logits = RandomNormal(37, 12, 2.0f);
  SampleOptions options{
      .temperature = 1.6f, .top_k = 14, .top_p = 0.9f, .min_p = 0.03f, .typical_p = 0.8f};
  std::set<std::set<int32_t>> results;
  int orders = 0;
  const std::function<void(size_t)> extend = [&](size_t used) {
    options.filters = static_cast<uint8_t>(used);
    ExpectDistribution(logits, options, 64);
    if (HasFailure()) FAIL() << "order of " << used << " filters, number " << orders;
    std::set<int32_t> kept;
    for (const auto& [id, p] : Reference(logits, options)) kept.insert(id);
    results.insert(kept);
    ++orders;
    for (const SampleFilter next : {kTopP, kMinP, kTopK, kTypical, kTemperature}) {
      if (std::find(options.order.begin(), options.order.begin() + static_cast<long>(used), next) !=
          options.order.begin() + static_cast<long>(used)) {
        continue;
      }
      options.order[used] = next;
      extend(used + 1);
      options.filters = static_cast<uint8_t>(used);
    }
  };
  extend(0);
  EXPECT_EQ(orders, 326);
  EXPECT_GE(results.size(), 12u) << "orders that make no difference test nothing";
}

TEST(SampleTest, OrdersDifferWhereTheyShould) {
  const auto logits = RandomNormal(300, 13, 2.0f);
  const SampleOptions base{.temperature = 2.5f, .top_k = 6, .top_p = 0.7f, .min_p = 0.01f};
  std::set<size_t> kept;
  for (const auto& order : {std::array{kTopP, kMinP, kTopK, kTypical, kTemperature},
                            std::array{kTemperature, kTopP, kMinP, kTopK, kTypical},
                            std::array{kTopK, kTemperature, kTopP, kMinP, kTypical}}) {
    SampleOptions options = base;
    options.order = order;
    options.typical_p = order[4] == kTypical ? 0.6f : 0.0f;
    ExpectDistribution(logits, options);
    kept.insert(Reference(logits, options).size());
  }
  EXPECT_EQ(kept.size(), 3u);
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
  ExpectDistribution(logits, {.temperature = 1.0f, .typical_p = 0.3f});
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

// ---- penalties and bias ----

TEST(SampleTest, RepeatPenaltyActsOnWhatWasGenerated) {
  std::vector<float> logits(20, -10.0f);
  logits[5] = 4.0f;
  logits[9] = 3.0f;
  const SampleOptions options{.repeat_penalty = 2.0f};
  EXPECT_EQ(Sample({{logits, options}}).front(), 5);
  EXPECT_EQ(Sample({{logits, options, 1, {5}}}).front(), 9);
  EXPECT_EQ(Sample({{logits, options, 2, {5, 9}}}).front(), 5);  // 2.0 against 1.5
  EXPECT_EQ(Sample({{logits, options, 3, {5, 5, 5, 9}}}).front(), 5) << "however often";
  std::vector<float> negative(20, -10.0f);  // negative logits are multiplied
  negative[5] = -1.0f;
  negative[9] = -1.5f;
  EXPECT_EQ(Sample({{negative, options, 1, {5}}}).front(), 9);
  EXPECT_EQ(Sample({{logits, {}, 1, {5}}}).front(), 5) << "without a penalty";
}

TEST(SampleTest, FrequencyCountsPresenceDoesNot) {
  std::vector<float> logits(20, -10.0f);
  logits[5] = 4.0f;
  logits[9] = 3.0f;
  const std::vector<int32_t> thrice = {5, 5, 9, 5};
  EXPECT_EQ(Sample({{logits, {.frequency_penalty = 0.4f}, 0, {5}}}).front(), 5);
  EXPECT_EQ(Sample({{logits, {.frequency_penalty = 0.6f}, 0, thrice}}).front(), 9);
  EXPECT_EQ(Sample({{logits, {.presence_penalty = 0.9f}, 0, {5, 5, 5}}}).front(), 5);
  EXPECT_EQ(Sample({{logits, {.presence_penalty = 1.1f}, 0, {5, 5, 5}}}).front(), 9);
  EXPECT_EQ(Sample({{logits, {.presence_penalty = 1.1f}, 0, thrice}}).front(), 5);
  // Negative ones encourage.
  EXPECT_EQ(Sample({{logits, {.presence_penalty = -1.1f}, 0, {9}}}).front(), 9);
}

TEST(SampleTest, PenaltiesLookAtTheWindowOnly) {
  std::vector<float> logits(20, -10.0f);
  logits[5] = 4.0f;
  logits[9] = 3.0f;
  const std::vector<int32_t> history = {5, 1, 2, 3};
  EXPECT_EQ(Sample({{logits, {.presence_penalty = 2.0f}, 0, history}}).front(), 9);
  for (const int32_t window : {1, 3, 4, 5}) {
    const SampleOptions options{.presence_penalty = 2.0f, .penalty_window = window};
    EXPECT_EQ(Sample({{logits, options, 0, history}}).front(), window < 4 ? 5 : 9) << window;
  }
}

TEST(SampleTest, BiasIsAddedAndBans) {
  std::vector<float> logits(20, -10.0f);
  logits[5] = 4.0f;
  logits[9] = 3.0f;
  EXPECT_EQ(Sample({{logits, {.logit_bias = {{9, 1.5f}}}}}).front(), 9);
  EXPECT_EQ(Sample({{logits, {.logit_bias = {{9, 0.5f}}}}}).front(), 5);
  EXPECT_EQ(Sample({{logits, {.logit_bias = {{19, 100.0f}, {0, 50.0f}}}}}).front(), 19);
  const SampleOptions banned{.temperature = 1.0f, .logit_bias = {{5, -INFINITY}, {9, -INFINITY}}};
  for (const int32_t id : Draw(logits, banned, 500)) EXPECT_TRUE(id != 5 && id != 9);
  SampleOptions all;
  for (int32_t id = 0; id < 20; ++id) all.logit_bias.emplace_back(id, -INFINITY);
  EXPECT_EQ(Sample({{logits, all}}).front(), kNoToken);
}

TEST(SampleTest, DrawsFollowPenaltiesAndBias) {
  const auto logits = RandomNormal(40, 5, 2.0f);
  std::vector<int32_t> history;
  for (int32_t i = 0; i < 60; ++i) history.push_back(i * i % 37);
  SampleOptions options{.temperature = 1.3f,
                        .top_k = 12,
                        .repeat_penalty = 1.3f,
                        .frequency_penalty = 0.2f,
                        .presence_penalty = 0.1f,
                        .logit_bias = {{39, 2.5f}, {0, -1.0f}, {17, 0.75f}}};
  ExpectDistribution(logits, options, 3000, history);
  options.penalty_window = 7;
  ExpectDistribution(logits, options, 3000, history);
}

// ---- batches ----

std::vector<Row> MixedRows(size_t V) {
  std::vector<int32_t> history;
  for (int32_t i = 0; i < 300; ++i) history.push_back(i * 7919 % static_cast<int32_t>(V));
  const std::vector<SampleOptions> options = {
      {},
      {.temperature = 1.0f, .seed = 3},
      {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.02f, .seed = 9},
      {.repeat_penalty = 1.2f},
      {.temperature = 1.1f, .typical_p = 0.7f, .frequency_penalty = 0.3f, .seed = 11},
      {.temperature = 2.0f,
       .top_k = 5,
       .presence_penalty = 0.5f,
       .seed = 12,
       .logit_bias = {{1, 4.0f}, {2, -INFINITY}}},
      {.logit_bias = {{0, 30.0f}}}};
  std::vector<Row> rows;
  for (uint32_t i = 0; i < 16; ++i) {
    rows.push_back({RandomNormal(V, 40 + i, 3.0f), options[i % options.size()], i,
                    std::vector<int32_t>(history.begin(), history.begin() + 20 * i)});
  }
  return rows;
}

TEST(SampleTest, ARowGivesTheSameAloneAndInAnyBatch) {
  for (const size_t V : {5u, 33u, 5000u}) {
    const std::vector<Row> rows = MixedRows(V);
    std::vector<int32_t> alone;
    for (const Row& row : rows) alone.push_back(Sample({row}).front());
    EXPECT_EQ(Sample(rows), alone) << V;
    EXPECT_EQ(Sample(rows, KernelFamily::kGpu), alone) << V;
    std::vector<Row> reversed(rows.rbegin(), rows.rend());
    std::vector<int32_t> ids = Sample(reversed);
    std::ranges::reverse(ids);
    EXPECT_EQ(ids, alone) << V;
  }
}

// One sampler and one recording over steps whose rows change: what moves is told.
TEST(SampleTest, RecordingsServeUntilSetSaysThatMemoryMoved) {
  constexpr size_t kV = 4000;
  const std::vector<Row> rows = MixedRows(kV);
  Sampler sampler(*TestDevice(), kV, 3);
  const auto set = [&](std::vector<SampleRow> wanted) {
    return TestDevice()->Run([&] { return sampler.Set(*TestDevice(), wanted); });
  };
  const Row& plain = rows[1];
  EXPECT_FALSE(set({{&plain.options, 0, {}}}));
  const Row& biased = rows[6];
  EXPECT_TRUE(set({{&biased.options, 0, {}}})) << "the first row with entries";
  EXPECT_FALSE(set({{&biased.options, 1, {}}, {&plain.options, 1, {}}}));
  std::vector<int32_t> history;
  for (int32_t i = 0; i < 3000; ++i) history.push_back(i);
  EXPECT_TRUE(set({{&rows[3].options, 0, history}})) << "more entries than there was room for";
  EXPECT_FALSE(set({{&rows[3].options, 0, history}}));
}

TEST(SampleTest, MoreRowsThanThereWasRoomForAreToldAsAMove) {
  const std::vector<Row> rows = MixedRows(33);
  Sampler sampler(*TestDevice(), 33, 1);
  const std::vector<SampleRow> three(3, {&rows[1].options, 0, {}});
  const auto set = [&](size_t n) {
    return TestDevice()->Run([&] { return sampler.Set(*TestDevice(), std::span(three).first(n)); });
  };
  EXPECT_FALSE(set(1));
  EXPECT_TRUE(set(3));
  EXPECT_FALSE(set(2));
}

}  // namespace
}  // namespace inference
