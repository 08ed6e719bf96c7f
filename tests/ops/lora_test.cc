// Adapters against a plain loop in double, at awkward sizes, on both kernel families; and that a
// row has the same bits alone, in a batch, and in one launch.
#include "ops/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr KernelFamily kFamilies[] = {KernelFamily::kCpu, KernelFamily::kGpu};

struct Layer {
  int64_t rank, out, column;
  float scale = 1.0f;
};

// One adapter of layers that read D columns, and the y that it is added to.
struct Case {
  int64_t T, D, ld;
  std::vector<Layer> layers;
  std::vector<float> coefs;  // [T]
  int64_t stride = 16;
  int input = 0;  // 0 plain, 1 normed, 2 residual and norm
};

struct Values {
  std::vector<std::vector<float>> A, B;
  std::vector<float> x, delta, norm, delta_norm, y;
};

Values MakeValues(const Case& c) {
  Values out;
  uint32_t seed = 1;
  const auto random = [&](int64_t n) { return RandomNormal(static_cast<size_t>(n), seed++); };
  for (const Layer& layer : c.layers) {
    out.A.push_back(random(layer.rank * c.D));
    out.B.push_back(random(layer.out * layer.rank));
  }
  out.x = random(c.T * c.D);
  out.delta = random(c.T * c.D);
  out.norm = random(c.D);
  out.delta_norm = random(c.D);
  out.y = random(c.T * c.ld);
  return out;
}

LoraGroup MakeGroup(const Case& c, const Values& values) {
  std::vector<LoraValues> layers;
  for (size_t i = 0; i < c.layers.size(); ++i) {
    const Layer& layer = c.layers[i];
    layers.push_back({.rank = layer.rank,
                      .in = c.D,
                      .out = layer.out,
                      .A = values.A[i],
                      .B = values.B[i],
                      .scale = layer.scale,
                      .column = layer.column});
  }
  const LoraGroup group = UploadLora(*TestDevice(), layers, c.stride);
  EXPECT_EQ(group.bytes(), LoraBytes(layers));
  return group;
}

// Tokens [first, first + T) of the case.
std::vector<float> RunTokens(const Case& c, const Values& values, const LoraGroup& group,
                             KernelFamily family, int64_t first, int64_t T, bool one_launch = false,
                             bool rounded = false) {
  const auto slice = [&](const std::vector<float>& all, int64_t width) {
    return std::vector(all.begin() + first * width, all.begin() + (first + T) * width);
  };
  std::vector<float> coefs(3, 5.0f), out;  // those of other adapters stand before
  coefs.insert(coefs.end(), c.coefs.begin() + first, c.coefs.begin() + first + T);
  TestDevice()->Run([&] {
    Recording recording(TestDevice(), family);
    if (one_launch) recording.UseOneLaunch();
    if (rounded) recording.RoundActivations();
    MatmulInput input{.x = Upload({T, c.D}, slice(values.x, c.D)), .eps = 1e-5f};
    if (c.input >= 1) input.norm_weight = Upload({c.D}, values.norm);
    if (c.input == 2) {
      input.delta = Upload({T, c.D}, slice(values.delta, c.D));
      input.delta_norm_weight = Upload({c.D}, values.delta_norm);
    }
    const LoraCoefs of{Upload(std::span<const float>(coefs)), 3};
    const PreparedInput a = PrepareInput(recording, input);
    const Tensor y = Upload({T, c.ld}, slice(values.y, c.ld));
    LoraUp(recording, LoraDown(recording, a, group, of), group, y, of);
    recording.Run();
    out = Download(y.buffer, static_cast<size_t>(T * c.ld));
  });
  return out;
}

std::vector<double> NormedRow(const std::vector<double>& row, const std::vector<float>& weight) {
  double squares = 0.0;
  for (const double v : row) squares += v * v;
  const double inv = 1.0 / std::sqrt(squares / static_cast<double>(row.size()) + 1e-5);
  std::vector<double> out;
  for (size_t i = 0; i < row.size(); ++i) {
    out.push_back(row[i] * inv * static_cast<double>(weight[i]));
  }
  return out;
}

std::vector<double> InputRow(const Case& c, const Values& values, int64_t t) {
  std::vector<double> row(values.x.begin() + t * c.D, values.x.begin() + (t + 1) * c.D);
  if (c.input == 2) {
    const std::vector<double> delta(values.delta.begin() + t * c.D,
                                    values.delta.begin() + (t + 1) * c.D);
    const std::vector<double> normed = NormedRow(delta, values.delta_norm);
    for (size_t i = 0; i < row.size(); ++i) row[i] += normed[i];
  }
  return c.input == 0 ? row : NormedRow(row, values.norm);
}

// What is added to each y, and the size of the terms that it is made of.
struct Sum {
  double value = 0.0, size = 0.0;
};

std::vector<Sum> Reference(const Case& c, const Values& values) {
  std::vector<Sum> out(static_cast<size_t>(c.T * c.ld));
  for (int64_t t = 0; t < c.T; ++t) {
    const std::vector<double> a = InputRow(c, values, t);
    const auto coef = static_cast<double>(c.coefs[static_cast<size_t>(t)]);
    for (size_t i = 0; i < c.layers.size(); ++i) {
      const Layer& layer = c.layers[i];
      for (int64_t o = 0; o < layer.out; ++o) {
        Sum& sum = out[static_cast<size_t>(t * c.ld + layer.column + o / 16 * c.stride + o % 16)];
        for (int64_t r = 0; r < layer.rank; ++r) {
          const double b =
              static_cast<double>(layer.scale) * coef *
              static_cast<double>(values.B[i][static_cast<size_t>(o * layer.rank + r)]);
          for (int64_t d = 0; d < c.D; ++d) {
            const double term = b * a[static_cast<size_t>(d)] *
                                static_cast<double>(values.A[i][static_cast<size_t>(r * c.D + d)]);
            sum.value += term;
            sum.size += std::abs(term);
          }
        }
      }
    }
  }
  return out;
}

std::vector<Case> Cases() {
  return {
      {1, 1, 1, {{1, 1, 0}}, {1.0f}},
      {3, 7, 9, {{3, 5, 2}}, {1.0f, 0.0f, -0.5f}},
      {4, 16, 16, {{8, 16, 0}}, {1.0f, 1.0f, 1.0f, 1.0f}},
      {5, 33, 80, {{17, 33, 0, 2.0f}, {2, 15, 60, 0.5f}}, {0.0f, 2.0f, 2.0f, 2.0f, 2.0f}, 16, 1},
      {9,
       100,
       128,
       {{8, 64, 0}, {8, 32, 64, -3.0f}, {4, 32, 96}},
       {1.0f, 1.0f, 1.0f, 1.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.25f},
       16,
       2},
      {2, 64, 200, {{5, 48, 8}, {1, 1, 70}, {33, 100, 100}}, {1.5f, 1.0f}, 16, 2},
      {13, 48, 96, {{4, 48, 0}, {6, 48, 16}}, std::vector<float>(13, 1.0f), 32, 1},  // gate and up
      {3, 20, 8, {{2, 8, 0}}, {0.0f, 0.0f, 0.0f}, 16, 1},
  };
}

TEST(LoraTest, AddsWhatADoubleLoopSays) {
  for (const Case& c : Cases()) {
    const Values values = MakeValues(c);
    const LoraGroup group = MakeGroup(c, values);
    const std::vector<Sum> want = Reference(c, values);
    for (const KernelFamily family : kFamilies) {
      const std::vector<float> got = RunTokens(c, values, group, family, 0, c.T);
      for (size_t i = 0; i < got.size(); ++i) {
        if (want[i].size == 0.0) {
          EXPECT_EQ(got[i], values.y[i])
              << "what is of no adapter changed, D " << c.D << " at " << i;
          continue;
        }
        const auto before = static_cast<double>(values.y[i]);
        EXPECT_NEAR(static_cast<double>(got[i]), before + want[i].value,
                    2e-6 * (want[i].size + std::abs(before)))
            << "D " << c.D << " at " << i;
      }
    }
  }
}

TEST(LoraTest, ARowHasTheSameBitsEverywhere) {
  for (const Case& c : Cases()) {
    const Values values = MakeValues(c);
    const LoraGroup group = MakeGroup(c, values);
    const std::vector<float> want = RunTokens(c, values, group, KernelFamily::kCpu, 0, c.T);
    for (const KernelFamily family : kFamilies) {
      EXPECT_EQ(RunTokens(c, values, group, family, 0, c.T), want) << c.D;
      EXPECT_EQ(RunTokens(c, values, group, family, 0, c.T, false, true), want)
          << "rounded, D " << c.D;
      for (int64_t t = 0; t < c.T; ++t) {
        const std::vector<float> row(want.begin() + t * c.ld, want.begin() + (t + 1) * c.ld);
        EXPECT_EQ(RunTokens(c, values, group, family, t, 1), row) << "D " << c.D << " token " << t;
      }
    }
    EXPECT_EQ(RunTokens(c, values, group, KernelFamily::kCpu, 0, c.T, true), want) << "one launch";
    const int64_t some = std::min<int64_t>(c.T, 6);
    const std::vector<float> head(want.begin(), want.begin() + some * c.ld);
    EXPECT_EQ(RunTokens(c, values, group, KernelFamily::kCpu, 0, some), head) << "a shorter batch";
  }
}

// Two adapters on one batch: each token gets its own, both, or none.
TEST(LoraTest, AdaptersMixInOneBatch) {
  const Case first{4, 40, 32, {{8, 32, 0}}, {1.0f, 0.0f, 0.5f, 0.0f}};
  Case second = first;
  second.layers = {{3, 32, 0}};
  second.coefs = {0.0f, 2.0f, -1.0f, 0.0f};
  const Values values = MakeValues(first);
  Values other = MakeValues(second);
  other.x = values.x;
  const LoraGroup a = MakeGroup(first, values), b = MakeGroup(second, other);
  for (const KernelFamily family : kFamilies) {
    Values between = other;
    between.y = RunTokens(first, values, a, family, 0, 4);
    const std::vector<float> both = RunTokens(second, between, b, family, 0, 4);
    Values alone = other;
    alone.y = values.y;
    const std::vector<float> only_b = RunTokens(second, alone, b, family, 0, 4);
    for (size_t i = 0; i < 32; ++i) {
      EXPECT_EQ(both[i], between.y[i]);
      EXPECT_EQ(both[32 + i], only_b[32 + i]);
      EXPECT_NE(both[64 + i], between.y[64 + i]);
      EXPECT_EQ(both[96 + i], values.y[96 + i]);
    }
  }
}

TEST(LoraTest, StatesItsWork) {
  const Case c{6, 64, 48, {{2, 32, 0}, {3, 16, 32}}, std::vector<float>(6, 1.0f)};
  const Values values = MakeValues(c);
  const LoraGroup group = MakeGroup(c, values);
  TestDevice()->Run([&] { TestDevice()->StartProfile(); });
  RunTokens(c, values, group, KernelFamily::kCpu, 0, c.T);
  const std::vector<KernelTime> times =
      TestDevice()->Run([&] { return TestDevice()->StopProfile(); });
  const auto find = [&](const char* kernel) {
    const auto found = std::ranges::find(times, kernel, &KernelTime::kernel);
    EXPECT_NE(found, times.end()) << kernel;
    return found == times.end() ? Work{} : found->work;
  };
  const Work down = find("lora_down"), up = find("lora_up");
  EXPECT_EQ(down.weight_bytes, 5u * 64 * 4);
  EXPECT_EQ(down.read_bytes + down.written_bytes, 6u * (64 + 5) * 4);
  EXPECT_EQ(down.flops, 2u * 6 * 5 * 64);
  EXPECT_EQ(up.weight_bytes, (2u * 32 + 3 * 16) * 4);
  EXPECT_EQ(up.read_bytes + up.written_bytes, 6u * (5 + 2 * 48) * 4);
  EXPECT_EQ(up.flops, 2u * 6 * (2 * 32 + 3 * 16 + 48));
}

TEST(LoraTest, RefusesWhatDoesNotFit) {
  const Case c{2, 8, 16, {{2, 16, 0}}, {1.0f, 1.0f}};
  const Values values = MakeValues(c);
  const LoraGroup group = MakeGroup(c, values);
  LoraValues layer{.rank = 2, .in = 8, .out = 16, .A = values.A[0], .B = values.B[0]};
  std::vector<float> huge = values.B[0];
  huge[3] = 2e38f;
  layer.B = huge;
  layer.scale = 2.0f;
  ExpectError(Status::kNumeric, {"B[1, 1] times the scale 2 is inf"}, [&] {
    UploadLora(*TestDevice(), {&layer, 1});
  });
  layer.out = 15;
  ExpectError(Status::kInternal, {"B 32", "[15, 2]"}, [&] {
    UploadLora(*TestDevice(), {&layer, 1});
  });
  ExpectError(Status::kInternal, {"0 layers in a group"}, [&] { UploadLora(*TestDevice(), {}); });
  TestDevice()->Run([&] {
    Recording recording(TestDevice());
    const LoraCoefs coefs{Upload(std::span<const float>(c.coefs)), 0};
    const Tensor x = Upload({2, 8}, values.x);
    const PreparedInput a = PrepareInput(recording, {.x = x});
    const Tensor h = LoraDown(recording, a, group, coefs);
    ExpectError(Status::kInternal, {"coefficients [1, 3) of a buffer of 8 bytes"}, [&] {
      LoraDown(recording, a, group, {coefs.buffer, 1});
    });
    ExpectError(Status::kInternal, {"from row 1 on"}, [&] {
      LoraDown(recording, PrepareInput(recording, {.x = x, .first_row = 1}), group, coefs);
    });
    ExpectError(Status::kInternal, {"columns [0, 16) of a y of 15"}, [&] {
      LoraUp(recording, h, group, recording.Temp({2, 15}), coefs);
    });
    ExpectError(Status::kInternal, {"y [3, 16], want [T, 2]"}, [&] {
      LoraUp(recording, h, group, recording.Temp({3, 16}), coefs);
    });
  });
}

}  // namespace
}  // namespace inference
