// Every weight type and every kernel of cl/matmul.cl against a plain loop in double, at awkward
// sizes; and the promise that all of them give the same bits.
#include "ops/matmul.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/embedding.h"
#include "support/affine_reference.h"
#include "support/matmul_choice.h"
#include "support/test_step.h"
#include "util/error.h"

namespace inference {
namespace {

std::vector<WeightFormat> Formats() {
  std::vector<WeightFormat> out;
  for (int type = 0; IsPackable(static_cast<DType>(type)); ++type) {
    out.emplace_back(static_cast<DType>(type));
  }
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const DType scales : {DType::kF32, DType::kF16, DType::kBF16}) {
      const int group = 32 << ((bits + static_cast<int>(scales)) % 3);  // each with each
      out.push_back(WeightFormat::Affine(bits, group, scales));
    }
  }
  return out;
}

struct Matrix {
  PackedMatrix packed;
  std::vector<std::vector<double>> values;  // [O, I]
};

Matrix MakeMatrix(const WeightFormat& format, int64_t rows, int64_t cols, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<std::vector<uint8_t>> stored(static_cast<size_t>(rows));
  Matrix out;
  for (auto& row : stored) {
    row = RandomRow(format, cols, generator);
    std::vector<double> values;
    for (int64_t c = 0; c < cols; ++c) values.push_back(DequantizedAt(format, row, cols, c));
    out.values.push_back(std::move(values));
  }
  out.packed = PackMatrix(
      *TestDevice(), format, rows, cols,
      [&](int64_t first, int64_t count, std::vector<std::byte>&, const std::byte** pointers) {
        for (int64_t i = 0; i < count; ++i) {
          pointers[i] =
              reinterpret_cast<const std::byte*>(stored[static_cast<size_t>(first + i)].data());
        }
      });
  return out;
}

// What MatmulInput means, in double: the rows that a product reads.
std::vector<std::vector<double>> ReferenceInput(const std::vector<float>& x, int64_t T, int64_t D,
                                                const std::vector<float>& norm,
                                                const std::vector<float>& delta,
                                                const std::vector<float>& delta_norm, double eps,
                                                std::vector<double>* sum) {
  const auto inv_rms = [&](const std::vector<double>& row) {
    double squares = 0;
    for (const double v : row) squares += v * v;
    return 1.0 / std::sqrt(squares / static_cast<double>(D) + eps);
  };
  std::vector<std::vector<double>> out;
  for (int64_t t = 0; t < T; ++t) {
    std::vector<double> row(x.begin() + t * D, x.begin() + (t + 1) * D);
    if (!delta.empty()) {
      const std::vector<double> d(delta.begin() + t * D, delta.begin() + (t + 1) * D);
      const double inv = inv_rms(d);
      for (int64_t i = 0; i < D; ++i) {
        row[static_cast<size_t>(i)] += d[static_cast<size_t>(i)] * inv *
                                       static_cast<double>(delta_norm[static_cast<size_t>(i)]);
      }
      if (sum != nullptr) sum->insert(sum->end(), row.begin(), row.end());
    }
    if (!norm.empty()) {
      const double inv = inv_rms(row);
      for (int64_t i = 0; i < D; ++i) {
        row[static_cast<size_t>(i)] *= inv * static_cast<double>(norm[static_cast<size_t>(i)]);
      }
    }
    out.push_back(std::move(row));
  }
  return out;
}

// |got - want| against the size of the terms that were added: what float32 sums can promise.
void ExpectProduct(float got, const std::vector<double>& w, const std::vector<double>& a,
                   double extra, const std::string& where) {
  double want = extra, size = std::abs(extra);
  for (size_t i = 0; i < w.size(); ++i) {
    want += w[i] * a[i];
    size += std::abs(w[i] * a[i]);
  }
  EXPECT_NEAR(static_cast<double>(got), want, 2e-6 * size + 1e-12) << where;
}

std::vector<float> RunProject(KernelFamily family, const MatmulInput& input, const PackedMatrix& W,
                              const ProjectOptions& options, int64_t ld,
                              std::vector<float>* sum = nullptr, bool rounded = false) {
  std::vector<float> out;
  TestDevice()->Run([&] {
    Recording recording(TestDevice(), family);
    if (rounded) recording.RoundActivations();
    const PreparedInput a = PrepareInput(recording, input);
    const Tensor y = Upload({a.T, ld}, std::vector<float>(static_cast<size_t>(a.T * ld), 7.0f));
    Project(recording, a, W, y, options);
    recording.Run();
    out = Download(y.buffer, static_cast<size_t>(a.T * ld));
    if (sum != nullptr) *sum = Download(a.sum.buffer, static_cast<size_t>(a.T * a.D));
  });
  return out;
}

// One type of each kind goes through the kernels of work-groups: they take all types by the same
// functions as matmul_each, which every type goes through. Q2_K: two scales a unit, and a minimum.
bool HasGroupTests(const WeightFormat& format) {
  for (const DType type : {DType::kF16, DType::kQ4_1, DType::kQ8_0, DType::kQ4_K, DType::kQ2_K}) {
    if (format == WeightFormat(type)) return true;
  }
  return format.is_affine() && format.bits == 4 && format.scales == DType::kF16;
}

// The kernels of the GPU family that a product is checked with.
std::vector<MatmulChoice> ChoicesFor(const WeightFormat& format, bool rounded) {
  std::vector<MatmulChoice> out = {kEachChoice};
  if (rounded || !HasGroupTests(format)) return out;  // rounded: the only one there is
  out.push_back(kTilesChoice);
  if (BlockColumns(format) > 1) out.push_back(kLanesChoice);
  return out;
}

class MatmulTypeTest : public testing::TestWithParam<WeightFormat> {};

// What the option activations = int8 makes of rows of D values: whole numbers times a scale.
std::vector<std::vector<double>> RoundedRows(const std::vector<float>& x, int64_t T, int64_t D) {
  std::vector<std::vector<double>> out;
  for (int64_t t = 0; t < T; ++t) {
    std::vector<double> row(static_cast<size_t>(D));
    for (int64_t first = 0; first < D; first += 32) {
      const int64_t last = std::min(first + 32, D);
      float largest = 0.0f;
      for (int64_t d = first; d < last; ++d) {
        largest = std::max(largest, std::abs(x[static_cast<size_t>(t * D + d)]));
      }
      const float inv = largest > 0.0f ? 127.0f / largest : 0.0f;
      for (int64_t d = first; d < last; ++d) {
        const float whole = std::nearbyint(x[static_cast<size_t>(t * D + d)] * inv);
        row[static_cast<size_t>(d)] =
            static_cast<double>(whole) * static_cast<double>(largest / 127.0f);
      }
    }
    out.push_back(std::move(row));
  }
  return out;
}

// All kernels' results of one product, against the reference and against each other.
void CheckProducts(const Matrix& W, int64_t O, int64_t I, bool rounded) {
  SCOPED_TRACE(fmt::format("O {} I {} rounded {}", O, I, rounded));
  constexpr int64_t kT = 31;  // two tiles of 12 and a rest of 7
  const auto x = RandomNormal(static_cast<size_t>(kT * I), 5);
  const auto a = rounded ? RoundedRows(x, kT, I) : ReferenceInput(x, kT, I, {}, {}, {}, 0, nullptr);
  const auto run = [&](KernelFamily family, int64_t T, const std::vector<float>& rows) {
    return RunProject(family, {.x = Upload({T, I}, rows)}, W.packed, {}, O, nullptr, rounded);
  };
  const auto many = run(KernelFamily::kCpu, kT, x);
  for (const MatmulChoice& choice : ChoicesFor(W.packed.format, rounded)) {
    const WithMatmulChoice with(choice);
    EXPECT_EQ(many, run(KernelFamily::kGpu, kT, x)) << NameOf(choice);
  }
  for (int64_t t = 0; t < kT; ++t) {
    for (int64_t o = 0; o < O; ++o) {
      ExpectProduct(many[static_cast<size_t>(t * O + o)], W.values[static_cast<size_t>(o)],
                    a[static_cast<size_t>(t)], 0, fmt::format("t {} o {}", t, o));
    }
  }
  for (const int64_t t : {0, 11, 12, 30}) {  // a row alone has the bits it has in the batch
    const std::vector<float> row(x.begin() + t * I, x.begin() + (t + 1) * I);
    const std::vector<float> in_batch(many.begin() + t * O, many.begin() + (t + 1) * O);
    EXPECT_EQ(run(KernelFamily::kCpu, 1, row), in_batch) << "t " << t;
  }
  for (const int64_t few : {2, 3, 7, 12, 16}) {  // tiles of two, four and eight, whole or not
    const std::vector<float> rows(x.begin(), x.begin() + few * I);
    EXPECT_EQ(run(KernelFamily::kCpu, few, rows),
              std::vector<float>(many.begin(), many.begin() + few * O))
        << few << " rows";
  }
}

TEST_P(MatmulTypeTest, MatchesReferenceAndAllKernelsAgreeOnBits) {
  const WeightFormat format = GetParam();
  const int64_t block = BlockColumns(format);
  for (const int64_t O : {1, 15, 16, 17, 33, 65, 112}) {
    for (const int64_t I : block == 1 ? std::vector<int64_t>{1, 31, 32, 33, 100}
                                      : std::vector<int64_t>{block, 3 * block}) {
      const Matrix W = MakeMatrix(format, O, I, static_cast<uint32_t>(O * 1000 + I));
      CheckProducts(W, O, I, false);
      CheckProducts(W, O, I, true);
    }
  }
}

TEST(RoundedInput, ABlockThatIsNotFiniteSpoilsItsRowAlone) {
  constexpr int64_t kT = 26, kI = 64, kO = 16;
  const Matrix W = MakeMatrix(DType::kQ4_0, kO, kI, 9);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto x = RandomNormal(kT * kI, 5);
    x[3 * kI + 40] = bad;
    for (const int64_t T : {int64_t{1}, int64_t{5}, kT}) {  // by itself, among few, in a tile
      const auto first = x.begin() + (T == 1 ? 3 * kI : 0);
      const std::vector<float> rows(first, first + T * kI);
      const auto y = RunProject(KernelFamily::kCpu, {.x = Upload({T, kI}, rows)}, W.packed, {}, kO,
                                nullptr, true);
      for (size_t i = 0; i < y.size(); ++i) {
        const bool is_bad = T == 1 || i / kO == 3;
        EXPECT_EQ(std::isnan(y[i]), is_bad) << i;
      }
    }
  }
}

TEST_P(MatmulTypeTest, EmbeddingIsTheRowsOfTheTable) {
  const WeightFormat format = GetParam();
  const int64_t V = 37, D = BlockColumns(format) == 1 ? 33 : 256;
  const Matrix W = MakeMatrix(format, V, D, 3);
  const std::vector<int32_t> ids = {0, 36, 15, 16, 16, 31};
  const float scale = 1.5f;
  TestDevice()->Run([&] {
    StepBuffer buffer(*TestDevice());
    const Step step = SetStep(buffer, ids);
    Recording recording(TestDevice());
    const Tensor y = Embed(recording, W.packed, step, scale);
    recording.Run();
    const auto got = Download(y.buffer, ids.size() * static_cast<size_t>(D));
    for (size_t t = 0; t < ids.size(); ++t) {
      for (int64_t d = 0; d < D; ++d) {
        const double want = W.values[static_cast<size_t>(ids[t])][static_cast<size_t>(d)] * 1.5;
        EXPECT_NEAR(static_cast<double>(got[t * static_cast<size_t>(D) + static_cast<size_t>(d)]),
                    want, 1e-6 * std::abs(want) + 1e-7)
            << t << " " << d;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulTypeTest, testing::ValuesIn(Formats()), [](const auto& test) {
  const WeightFormat& format = test.param;
  if (!format.is_affine()) return NameOf(format);
  return fmt::format("affine{}_group{}_{}", format.bits, format.group, InfoOf(format.scales).name);
});

struct InputCase {
  int64_t T, D;
  bool norm, delta;
  int64_t first_row;
};

class MatmulInputTest : public testing::TestWithParam<InputCase> {};

TEST_P(MatmulInputTest, MatchesReference) {
  const auto [T, D, with_norm, with_delta, first_row] = GetParam();
  const auto n = static_cast<size_t>(T * D);
  const auto x = RandomNormal(n, 1),
             delta = with_delta ? RandomNormal(n, 2, 3.0f) : std::vector<float>{};
  const auto norm = with_norm ? RandomNormal(static_cast<size_t>(D), 3) : std::vector<float>{};
  const auto delta_norm =
      with_delta ? RandomNormal(static_cast<size_t>(D), 4) : std::vector<float>{};
  constexpr float kEps = 1e-3f;
  constexpr int64_t kO = 35;
  std::vector<double> want_sum;
  const auto a =
      ReferenceInput(x, T, D, norm, delta, delta_norm, static_cast<double>(kEps), &want_sum);
  const Matrix W = MakeMatrix(DType::kF32, kO, D, 9);
  MatmulInput input{.x = Upload({T, D}, x), .eps = kEps, .first_row = first_row};
  if (with_norm) input.norm_weight = Upload({D}, norm);
  if (with_delta) {
    input.delta = Upload({T, D}, delta);
    input.delta_norm_weight = Upload({D}, delta_norm);
  }
  for (const KernelFamily family : {KernelFamily::kCpu, KernelFamily::kGpu}) {
    std::vector<float> sum;
    const auto y =
        RunProject(family, input, W.packed, {.column = 3}, kO + 5, with_delta ? &sum : nullptr);
    for (int64_t t = first_row; t < T; ++t) {
      const auto row = static_cast<size_t>((t - first_row) * (kO + 5));
      EXPECT_EQ(y[row + 2], 7.0f) << "writes only its own columns";
      EXPECT_EQ(y[row + 3 + kO], 7.0f);
      for (int64_t o = 0; o < kO; ++o) {
        ExpectProduct(y[row + 3 + static_cast<size_t>(o)], W.values[static_cast<size_t>(o)],
                      a[static_cast<size_t>(t)], 0, fmt::format("t {} o {}", t, o));
      }
      for (int64_t d = 0; with_delta && d < D; ++d) {
        const double want = want_sum[static_cast<size_t>(t * D + d)];
        EXPECT_NEAR(static_cast<double>(sum[static_cast<size_t>((t - first_row) * D + d)]), want,
                    1e-5 * (1 + std::abs(want)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MatmulInputTest,
    testing::Values(InputCase{1, 1, true, false, 0}, InputCase{1, 33, true, true, 0},
                    InputCase{1, 48, false, false, 0}, InputCase{15, 47, true, false, 0},
                    InputCase{3, 64, true, true, 0}, InputCase{29, 65, true, true, 28},
                    InputCase{5, 17, true, true, 2}, InputCase{16, 97, true, true, 1},
                    InputCase{33, 65, true, true, 2}));

double Silu(double g) { return g / (1 + std::exp(-g)); }
double Gelu(double g) {
  return 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
}

class MatmulEpilogueTest : public testing::TestWithParam<std::tuple<Epilogue, bool, DType>> {
 protected:
  static std::vector<MatmulChoice> Choices() {
    if (std::get<2>(GetParam()) == DType::kQ4_1) return {kTilesChoice, kLanesChoice};
    return {kEachChoice, kTilesChoice};
  }
};

TEST_P(MatmulEpilogueTest, MatchesReference) {
  const DType type = std::get<2>(GetParam());
  const int64_t kI = type == DType::kBF16 ? 40 : 64;
  constexpr float kCap = 2.5f;
  const Epilogue epilogue = std::get<0>(GetParam());  // a lambda captures it: no binding
  const bool with_bias = std::get<1>(GetParam());
  const bool gated = epilogue == Epilogue::kSiluGate || epilogue == Epilogue::kGeluGate;
  for (const int64_t T : {1, 2, 5, 9, 30}) {
    const int64_t O = gated ? 96 : 37, outputs = gated ? O / 2 : O;
    Matrix W = MakeMatrix(type, O, kI, 11);
    std::vector<float> bias(48 * 2, 0.0f);
    if (with_bias) {
      bias = RandomNormal(bias.size(), 8);
      W.packed.bias = Upload({static_cast<int64_t>(bias.size())}, bias).buffer;
    }
    const auto x = RandomNormal(static_cast<size_t>(T * kI), 5);
    const auto other = RandomNormal(static_cast<size_t>(T * O), 6);
    const auto a = ReferenceInput(x, T, kI, {}, {}, {}, 0, nullptr);
    const ProjectOptions options{
        .epilogue = epilogue, .other = Upload({T, O}, other), .soft_cap = kCap};
    const auto dot = [&](int64_t t, int64_t o) {
      auto sum = static_cast<double>(bias[static_cast<size_t>(o)]);
      for (int64_t i = 0; i < kI; ++i) {
        sum += W.values[static_cast<size_t>(o)][static_cast<size_t>(i)] *
               a[static_cast<size_t>(t)][static_cast<size_t>(i)];
      }
      return sum;
    };
    const auto want = [&](int64_t t, int64_t o) {
      const auto beside = static_cast<double>(other[static_cast<size_t>(t * O + o)]);
      const auto cap = static_cast<double>(kCap);
      const int64_t gate = o / 16 * 32 + o % 16;
      switch (epilogue) {
        case Epilogue::kAdd:
          return dot(t, o) + beside;
        case Epilogue::kSoftCap:
          return cap * std::tanh(dot(t, o) / cap);
        case Epilogue::kMulSilu:
          return Silu(beside) * dot(t, o);
        case Epilogue::kMulGelu:
          return Gelu(beside) * dot(t, o);
        case Epilogue::kSiluGate:
          return Silu(dot(t, gate)) * dot(t, gate + 16);
        case Epilogue::kGeluGate:
          return Gelu(dot(t, gate)) * dot(t, gate + 16);
        default:
          return dot(t, o);
      }
    };
    const auto cpu =
        RunProject(KernelFamily::kCpu, {.x = Upload({T, kI}, x)}, W.packed, options, outputs);
    for (const MatmulChoice& choice : Choices()) {
      const WithMatmulChoice with(choice);
      EXPECT_EQ(cpu, RunProject(KernelFamily::kGpu, {.x = Upload({T, kI}, x)}, W.packed, options,
                                outputs))
          << NameOf(choice);
    }
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t o = 0; o < outputs; ++o) {
        EXPECT_NEAR(static_cast<double>(cpu[static_cast<size_t>(t * outputs + o)]), want(t, o),
                    2e-5 * (1 + std::abs(want(t, o))))
            << "T " << T << " t " << t << " o " << o;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Epilogues, MatmulEpilogueTest,
                         testing::Combine(testing::Values(Epilogue::kStore, Epilogue::kAdd,
                                                          Epilogue::kSoftCap, Epilogue::kMulSilu,
                                                          Epilogue::kMulGelu, Epilogue::kSiluGate,
                                                          Epilogue::kGeluGate),
                                          testing::Bool(), testing::Values(DType::kBF16)));
// Of blocks, those that need no kernels of their own.
INSTANTIATE_TEST_SUITE_P(BlockEpilogues, MatmulEpilogueTest,
                         testing::Combine(testing::Values(Epilogue::kAdd, Epilogue::kSiluGate,
                                                          Epilogue::kGeluGate),
                                          testing::Bool(), testing::Values(DType::kQ4_1)));

// Sizes of tiles and numbers of lanes are free; all give the same bits.
TEST(MatmulSizes, OfWorkGroupsChangeNoBits) {
  using enum MatmulKernel;
  constexpr int64_t kO = 145, kI = 96;
  const auto check = [&](DType type, const std::vector<MatmulChoice>& choices) {
    const Matrix W = MakeMatrix(type, kO, kI, 4);
    for (const int64_t T : {1, 9, 67}) {
      const MatmulInput input{.x = Upload({T, kI}, RandomNormal(static_cast<size_t>(T * kI), 5))};
      const auto cpu = RunProject(KernelFamily::kCpu, input, W.packed, {}, kO);
      for (const MatmulChoice& choice : choices) {
        ASSERT_TRUE(choice.IsValid(BlockColumns(W.packed.format) > 1)) << NameOf(choice);
        const WithMatmulChoice with(choice);
        EXPECT_EQ(cpu, RunProject(KernelFamily::kGpu, input, W.packed, {}, kO))
            << NameOf(choice) << " T " << T;
      }
    }
  };
  check(DType::kQ4_1, {{.kernel = kLanes, .lanes = 2},
                       {.kernel = kLanes, .lanes = 16},
                       {.kernel = kTiles, .rows = 32, .tokens = 64, .item_tokens = 8}});
  check(DType::kF16, {{.kernel = kTiles, .rows = 128, .tokens = 8, .item_tokens = 2}});
}

TEST(MatmulErrorTest, ShapesThatDoNotFitAreNamed) {
  const Matrix W = MakeMatrix(DType::kF32, 4, 8, 1);
  TestDevice()->Run([&] {
    Recording recording(TestDevice());
    const Tensor x = Upload({1, 7}, RandomNormal(7, 1));
    const PreparedInput a = PrepareInput(recording, {.x = x});
    const Tensor y = recording.Temp({1, 4});
    try {
      Project(recording, a, W.packed, y);
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), "project: weight is [4, 8], input has 7 columns");
    }
  });
  try {
    PackMatrix(*TestDevice(), DType::kQ4_K, 4, 100, {});
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("rows of type Q4_K hold a multiple of 256 values"));
  }
}

}  // namespace
}  // namespace inference
