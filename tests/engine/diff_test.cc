// Both sides at once are what two separate runs give: log-probabilities to the bit, divergences as
// double arithmetic on the logits has them.
#include "engine/diff.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "engine/score.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

using Set = std::vector<AdapterUse>;
using Texts = std::vector<std::span<const int32_t>>;

std::shared_ptr<const Adapter> Peft(const std::shared_ptr<Model>& model, const std::string& name) {
  return Adapter::Load(model, INFERENCE_TEST_DATA "/golden/tiny/" + name + "/adapter-peft");
}

Ids Text(size_t n, int32_t seed) {
  Ids out;
  for (size_t i = 0; i < n; ++i) {
    out.push_back(
        static_cast<int32_t>((i * i * 31 + i * 7 + static_cast<size_t>(seed) * 101) % 500));
  }
  return out;
}

// Of one row under each side, in double.
struct Reference {
  double kl = 0.0, kl_reverse = 0.0, js = 0.0;
  std::vector<double> moved;  // |q - p| of each token
};

Reference ReferenceOf(std::span<const float> a, std::span<const float> b) {
  const auto log_softmax = [](std::span<const float> row) {
    const double largest = *std::ranges::max_element(row);
    double sum = 0.0;
    for (const float x : row) sum += std::exp(static_cast<double>(x) - largest);
    std::vector<double> out;
    for (const float x : row) out.push_back(static_cast<double>(x) - largest - std::log(sum));
    return out;
  };
  const std::vector<double> base = log_softmax(a), adapted = log_softmax(b);
  Reference out;
  for (size_t v = 0; v < a.size(); ++v) {
    const double p = std::exp(base[v]), q = std::exp(adapted[v]), m = std::log((p + q) / 2);
    out.kl += q * (adapted[v] - base[v]);
    out.kl_reverse += p * (base[v] - adapted[v]);
    out.js += p / 2 * (base[v] - m) + q / 2 * (adapted[v] - m);
    out.moved.push_back(std::abs(q - p));
  }
  return out;
}

std::vector<float> LogitsWith(const std::shared_ptr<Model>& model, const AdapterSet& set,
                              const Ids& ids) {
  Session session(model, 0);
  session.SetAdapters(set);
  return LogitsOf(session, ids);
}

Score RollingWith(const std::shared_ptr<Model>& model, const AdapterSet& set, const Ids& ids,
                  uint64_t window = 0, uint64_t overlap = 1) {
  Session session(model, 0);
  session.SetAdapters(set);
  return ScoreRolling(session, ids, window, overlap, nullptr, nullptr);
}

void ExpectIsWhatTwoRunsGive(const std::shared_ptr<Model>& model, const Diff& diff,
                             const DiffOptions& options, const Ids& ids) {
  const size_t n = ids.empty() ? 0 : ids.size() - 1;
  ASSERT_EQ(diff.positions.size(), n);
  if (n == 0) return;
  const Score base = RollingWith(model, options.base, ids);
  const Score adapted = RollingWith(model, options.adapted, ids);
  const auto V = static_cast<size_t>(model->network().dims().vocab_size);
  const std::vector<float> a = LogitsWith(model, options.base, ids),
                           b = LogitsWith(model, options.adapted, ids);
  for (size_t i = 0; i < n; ++i) {
    const RowDivergence& got = diff.positions[i];
    EXPECT_EQ(got.base.logprob, base.logprobs[i]) << i;
    EXPECT_EQ(got.adapted.logprob, adapted.logprobs[i]) << i;
    const Reference want =
        ReferenceOf(std::span(a).subspan(i * V, V), std::span(b).subspan(i * V, V));
    EXPECT_NEAR(got.kl, want.kl, 1e-6 + 1e-5 * want.kl);
    EXPECT_NEAR(got.kl_reverse, want.kl_reverse, 1e-6 + 1e-5 * want.kl_reverse);
    EXPECT_NEAR(got.js, want.js, 1e-6 + 1e-5 * want.js);
    ASSERT_EQ(std::ssize(got.moved), options.top_k);
    const auto most =
        static_cast<int32_t>(std::ranges::max_element(want.moved) - want.moved.begin());
    if (!got.moved.empty()) {
      EXPECT_EQ(got.moved[0].id, most);
    }
    double before = 1.0;
    for (const MovedToken& token : got.moved) {
      const double size = std::abs(std::exp(token.adapted) - std::exp(token.base));
      EXPECT_NEAR(size, want.moved[static_cast<size_t>(token.id)], 1e-6);
      EXPECT_LE(size, before + 1e-7);
      before = size;
    }
  }
}

class DiffOf : public testing::TestWithParam<TinyCase> {};

TEST_P(DiffOf, ManyTexts) {
  std::vector<Ids> texts;
  for (int32_t i = 0; i < 9; ++i) texts.push_back(Text(static_cast<size_t>(i * 4), i));
  texts.insert(texts.begin() + 3, Text(150, 20));
  for (const int64_t chunk : {64, 7, 1}) {
    const std::shared_ptr<Model> model = GetParam().Load(chunk);
    const auto peft = Peft(model, GetParam().name);
    const auto noise = Adapter::Null(*peft, {.seed = 3, .init_scale = 0.3});
    for (const DiffOptions& options : {DiffOptions{.adapted = AdapterSet(Set{{peft}}), .top_k = 4},
                                       DiffOptions{.base = AdapterSet(Set{{peft, 0.5f}}),
                                       .adapted = AdapterSet(Set{{noise, 1.5f}, {peft, -1.0f}})}}) {
      const auto got = DiffMany(*model, Texts(texts.begin(), texts.end()), options, nullptr);
      ASSERT_EQ(got.size(), texts.size());
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_FALSE(got[i].error) << got[i].error->what();
        ExpectIsWhatTwoRunsGive(model, got[i].value, options, texts[i]);
      }
    }
    EXPECT_EQ(model->executor().cache()->used_bytes(), 0u) << "keys and values are left";
  }
}

TEST_P(DiffOf, SameSidesAreExactlyNothingApart) {
  const std::shared_ptr<Model> model = GetParam().Load(64);
  const auto peft = Peft(model, GetParam().name);
  const std::vector<Ids> texts = {Text(70, 1), Text(9, 2)};
  for (const AdapterSet& set : {AdapterSet(), AdapterSet(Set{{peft, 0.5f}})}) {
    const auto got = DiffMany(*model, Texts(texts.begin(), texts.end()),
                              {.base = set, .adapted = set, .top_k = 3}, nullptr);
    for (const auto& item : got) {
      for (const RowDivergence& row : item.value.positions) {
        EXPECT_EQ(row.base.logprob, row.adapted.logprob);
        EXPECT_EQ(row.kl, 0.0);
        EXPECT_EQ(row.kl_reverse, 0.0);
        EXPECT_EQ(row.js, 0.0);
        EXPECT_TRUE(row.moved.empty());
      }
    }
  }
}

TEST_P(DiffOf, TheLastPositionAlone) {
  const std::shared_ptr<Model> model = GetParam().Load(64);
  DiffOptions options{.adapted = AdapterSet(Set{{Peft(model, GetParam().name)}}), .top_k = 5};
  std::vector<Ids> texts;
  for (int32_t i = 0; i < 6; ++i) texts.push_back(Text(static_cast<size_t>(2 + 23 * i), i));
  options.last_only = true;
  const auto last = DiffMany(*model, Texts(texts.begin(), texts.end()), options, nullptr);
  for (Ids& ids : texts) ids.push_back(7);
  options.last_only = false;
  const auto all = DiffMany(*model, Texts(texts.begin(), texts.end()), options, nullptr);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_FALSE(last[i].error);
    ASSERT_EQ(last[i].value.positions.size(), 1u);
    const RowDivergence &got = last[i].value.positions[0], &want = all[i].value.positions.back();
    EXPECT_TRUE(std::isnan(got.base.logprob)) << "no token is given";
    EXPECT_TRUE(std::isnan(got.adapted.logprob));
    EXPECT_EQ(got.kl, want.kl);
    EXPECT_EQ(got.js, want.js);
    EXPECT_EQ(got.base.likeliest, want.base.likeliest);
    ASSERT_EQ(got.moved.size(), 5u);
    for (size_t k = 0; k < 5; ++k) {
      EXPECT_EQ(got.moved[k].id, want.moved[k].id);
      EXPECT_EQ(got.moved[k].adapted, want.moved[k].adapted);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, DiffOf,
                         testing::Values(TinyCase{"llama-gqa"}, TinyCase{"gemma3-text"},
                                         TinyCase{"llama-gqa", DType::kQ8_0},
                                         TinyCase{"gemma3-text", DType::kQ8_0}));

TEST(DiffMany, WindowsAreThoseOfRolling) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const AdapterSet set(Set{{Peft(model, "llama-gqa")}});
  const Ids ids = Text(100, 4);
  for (const auto& [window, overlap] : {std::pair(30, 1), std::pair(17, 9), std::pair(100, 1)}) {
    const auto w = static_cast<uint64_t>(window), o = static_cast<uint64_t>(overlap);
    const auto got =
        DiffMany(*model, Texts{ids}, {.adapted = set, .window = w, .overlap = o}, nullptr);
    const Score base = RollingWith(model, {}, ids, w, o),
                adapted = RollingWith(model, set, ids, w, o);
    ASSERT_EQ(got[0].value.positions.size(), ids.size() - 1);
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      EXPECT_EQ(got[0].value.positions[i].base.logprob, base.logprobs[i]) << window << " " << i;
      EXPECT_EQ(got[0].value.positions[i].adapted.logprob, adapted.logprobs[i]) << window;
    }
  }
  const auto small = Model::Load(TestRuntime(), TinyPath("llama-gqa"), {.context_length = 40}, {});
  const auto long_text = DiffMany(*small, Texts{ids}, {}, nullptr);
  EXPECT_EQ(long_text[0].value.positions.size(), 99u) << "windows of the context";
}

TEST(DiffMany, ATextFailsAlone) {
  const auto model = Model::Load(TestRuntime(), TinyPath("llama-gqa"), {.context_length = 20}, {});
  const auto peft = Peft(model, "llama-gqa");
  const Ids good = Text(12, 1), none, bad = {1, 2, 99999}, long_text = Text(21, 3);
  const auto expect = [](const auto& item, Status status, const char* text) {
    ASSERT_TRUE(item.error) << text;
    EXPECT_EQ(item.error->status(), status);
    EXPECT_NE(std::string(item.error->what()).find(text), std::string::npos) << item.error->what();
  };
  DiffOptions options{.adapted = AdapterSet(Set{{peft}})};
  const auto all = DiffMany(*model, Texts{none, good, bad, good}, options, nullptr);
  EXPECT_FALSE(all[0].error);
  EXPECT_TRUE(all[0].value.positions.empty());
  expect(all[2], Status::kArg, "token 2: id is 99999");
  EXPECT_EQ(all[1].value.positions[5].kl, all[3].value.positions[5].kl);
  options.last_only = true;
  const auto last = DiffMany(*model, Texts{none, good, long_text}, options, nullptr);
  expect(last[0], Status::kArg, "text: has no tokens");
  EXPECT_FALSE(last[1].error);
  expect(last[2], Status::kContextFull, "21 tokens do not fit, the model's context is 20");
  EXPECT_TRUE(DiffMany(*model, {}, options, nullptr).empty());

  const AdapterSet huge(Set{{Adapter::Null(*peft, {.init_scale = 1e18})}});
  expect(DiffMany(*model, Texts{good}, {.adapted = huge}, nullptr)[0], Status::kNumeric,
         "the adapted side's logits after position 0 are not numbers");
  expect(DiffMany(*model, Texts{good}, {.base = huge, .last_only = true}, nullptr)[0],
         Status::kNumeric, "the base side's logits after position 11 are not numbers");
}

TEST(DiffMany, OptionsAreChecked) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const Ids ids = Text(10, 1);
  const auto fails = [&](const DiffOptions& options, const char* text) {
    ExpectError(Status::kArg, {text}, [&] { DiffMany(*model, Texts{ids}, options, nullptr); });
  };
  fails({.top_k = -1}, "top_k is -1, want 0..64");
  fails({.top_k = 65}, "top_k is 65");
  fails({.window = 1}, "the window is 1 tokens, want 2..");
  fails({.window = uint64_t{1} << 40}, "the window is 1099511627776 tokens");
  fails({.overlap = 0}, "the overlap is 0 tokens");
  fails({.window = 5, .overlap = 5}, "the overlap is 5 tokens, want 1..4");
  const AdapterSet others(Set{{Peft(TinyModel("llama-gqa", 7), "llama-gqa")}});
  fails({.base = others}, "was loaded for another model");
  fails({.adapted = others}, "was loaded for another model");
  CancelFlag cancel;
  cancel.Trigger();
  ExpectError(Status::kCancelled, {"cancelled"},
              [&] { DiffMany(*model, Texts{ids}, {}, &cancel); });
  EXPECT_EQ(model->executor().cache()->used_bytes(), 0u);
}

// Keys and values of few rows fit: fewer texts go together, with the same results.
TEST(DiffMany, GoesOnWithFewerTextsWhereMemoryIsShort) {
  const std::shared_ptr<Model> roomy = TinyModel("llama-gqa", 64);
  const uint64_t page = roomy->executor().cache()->page_bytes(0);
  const auto model = Model::Load(TestRuntime(), TinyPath("llama-gqa"),
                                 {.prefill_chunk = 64, .kv_limit = 5 * page}, {});
  std::vector<Ids> texts;
  for (int32_t i = 0; i < 12; ++i) texts.push_back(Text(static_cast<size_t>(2 + i % 3), i));
  texts.push_back(Text(90, 5));
  const DiffOptions options{.adapted = AdapterSet(Set{{Peft(model, "llama-gqa")}})};
  const auto got = DiffMany(*model, Texts(texts.begin(), texts.end()), options, nullptr);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_FALSE(got[i].error);
    const Score want = RollingWith(roomy, AdapterSet(Set{{Peft(roomy, "llama-gqa")}}), texts[i]);
    ASSERT_EQ(got[i].value.positions.size(), want.logprobs.size());
    for (size_t k = 0; k < want.logprobs.size(); ++k) {
      EXPECT_EQ(got[i].value.positions[k].adapted.logprob, want.logprobs[k]) << i << " " << k;
    }
  }
  EXPECT_EQ(model->executor().cache()->used_bytes(), 0u);
}

// What both sides need beyond one side's is keys and values and intermediates, no weights.
TEST(DiffMany, TheWeightsAreThereOnce) {
  const std::shared_ptr<Model> model = TinyModel("llama-gqa", 64);
  const auto peft = Peft(model, "llama-gqa");
  const Ids ids = Text(30, 1);
  const DiffOptions options{.adapted = AdapterSet(Set{{peft}}), .top_k = 8};
  DiffMany(*model, Texts{ids}, options, nullptr);  // pages, coefficients
  model->executor().DropRecordings();
  const uint64_t weights = model->network().stats().bytes;
  const uint64_t before = model->device()->memory().active;
  model->device()->ResetPeak();
  DiffMany(*model, Texts{ids}, options, nullptr);
  const MemoryStats during = model->device()->memory();
  EXPECT_GE(before, weights + peft->bytes());
  EXPECT_LT(during.peak - before, weights) << "as if there were a second copy";
  model->executor().DropRecordings();
  EXPECT_EQ(model->device()->memory().active, before) << "a call leaves nothing behind";
}

}  // namespace
}  // namespace inference
