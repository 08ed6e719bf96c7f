// Differences of two sides through the C ABI, and calls on many texts under adapters.
#include <cmath>
#include <numbers>
#include <numeric>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

const std::string kPeft = kTinyFolder + "/adapter-peft";

Adapter LoadAdapter() {
  Adapter adapter;
  EXPECT_OK(inf_adapter_load(SharedModel(), kPeft.data(), kPeft.size(), nullptr, nullptr,
                             adapter.out(), &err));
  return adapter;
}

Request Under(const Adapter& adapter, float scale = 1.0f) {
  Request request;
  EXPECT_OK(inf_request_new(request.out(), &err));
  const inf_adapter* list = adapter.get();
  EXPECT_OK(inf_request_set_adapters(request.get(), &list, &scale, 1, &err));
  return request;
}

Session SessionUnder(const Adapter& adapter) {
  Session session = NewSession();
  const inf_adapter* list = adapter.get();
  EXPECT_OK(inf_session_set_adapters(session.get(), &list, nullptr, 1, &err));
  return session;
}

Inputs TokenLists(const std::vector<Ids>& lists) {
  Inputs inputs;
  EXPECT_OK(inf_inputs_new(inputs.out(), &err));
  for (const Ids& ids : lists) {
    EXPECT_OK(inf_inputs_add_tokens(inputs.get(), ids.data(), ids.size(), &err));
  }
  return inputs;
}

std::vector<float> Values(const inf_floats& floats) {
  return {floats.data, floats.data + floats.len};
}

std::vector<float> Rolling(const Session& session, const Ids& ids) {
  Floats out;
  EXPECT_OK(inf_score_rolling(session.get(), ids.data(), ids.size(), 0, 0, nullptr, nullptr,
                              nullptr, nullptr, &out, &err));
  return Values(out);
}

TEST(Diff, LogprobsAreThoseOfEachSideAlone) {
  const Adapter adapter = LoadAdapter();
  const Session base = NewSession(), adapted = SessionUnder(adapter);
  const Request request = Under(adapter);
  const std::vector<Ids> texts = {kPrompt, {480}, {}, {480, 9, 8, 7, 350}};
  const Inputs inputs = TokenLists(texts);
  auto options = Sized<inf_diff_options>();
  options.top_k = 4;
  Items items;
  ASSERT_OK(inf_diff(SharedModel(), inputs.get(), nullptr, request.get(), &options, nullptr,
                     items.out(), &err));
  ASSERT_EQ(inf_items_count(items.get()), 4u);
  auto desc = Sized<inf_diff_desc>();
  Tokens ids, moved;
  Floats values, logprobs;
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_OK(inf_items_diff(items.get(), i, &desc, &ids, &values, &err));
    EXPECT_EQ(List(ids), texts[i]);
    EXPECT_EQ(desc.tokens, texts[i].size());
    ASSERT_EQ(desc.positions, texts[i].size() < 2 ? 0 : texts[i].size() - 1);
    ASSERT_EQ(values.len, desc.positions * INF_DIFF_COLUMNS);
    const std::vector<float> want_base = Rolling(base, texts[i]),
                             want_adapted = Rolling(adapted, texts[i]);
    double total = 0.0, kl = 0.0, max_js = 0.0;
    for (uint64_t p = 0; p < desc.positions; ++p) {
      const float* row = values.data + p * INF_DIFF_COLUMNS;
      EXPECT_EQ(row[INF_DIFF_BASE], want_base[p]);
      EXPECT_EQ(row[INF_DIFF_ADAPTED], want_adapted[p]);
      EXPECT_GT(row[INF_DIFF_KL], 0.0f);
      EXPECT_GT(row[INF_DIFF_KL_REVERSE], 0.0f);
      EXPECT_GT(row[INF_DIFF_JS], 0.0f);
      EXPECT_LE(row[INF_DIFF_JS], std::min(row[INF_DIFF_KL], row[INF_DIFF_KL_REVERSE]));
      total += static_cast<double>(row[INF_DIFF_ADAPTED]);
      kl += static_cast<double>(row[INF_DIFF_KL]);
      max_js = std::max(max_js, static_cast<double>(row[INF_DIFF_JS]));
      ASSERT_OK(inf_items_moved(items.get(), i, p, &moved, &logprobs, &err));
      ASSERT_EQ(moved.len, 4u);
      ASSERT_EQ(logprobs.len, 8u);
      for (size_t k = 1; k < 4; ++k) {
        const auto change = [&](size_t at) {
          return std::abs(std::exp(logprobs.data[2 * at + 1]) - std::exp(logprobs.data[2 * at]));
        };
        EXPECT_LE(change(k), change(k - 1) + 1e-7f);
      }
    }
    EXPECT_NEAR(desc.adapted_logprob, total, 1e-5);
    const auto n = static_cast<double>(std::max<uint64_t>(desc.positions, 1));
    EXPECT_NEAR(desc.mean_kl, kl / n, 1e-6);
    EXPECT_NEAR(desc.max_js, max_js, 1e-7);
  }
  EXPECT_FAILS(INF_E_ARG, "position: is 4, there are 4",
               inf_items_moved(items.get(), 0, 4, &moved, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "index: is 4, there are 4 items",
               inf_items_diff(items.get(), 4, &desc, nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "items: are no scores",
               inf_items_score(items.get(), 0, nullptr, nullptr, nullptr, &err));
}

// Scales are points on the way from the base (0) to the adapter as trained (1).
TEST(Diff, ViewsOfAnAdapter) {
  const Adapter adapter = LoadAdapter();
  const Request zero = Under(adapter, 0.0f), half = Under(adapter, 0.5f), one = Under(adapter);
  const Inputs inputs = TokenLists({kPrompt});
  const auto mean_kl = [&](const Request& base, const Request& adapted) {
    Items items;
    EXPECT_OK(inf_diff(SharedModel(), inputs.get(), base.get(), adapted.get(), nullptr, nullptr,
                       items.out(), &err));
    auto desc = Sized<inf_diff_desc>();
    EXPECT_OK(inf_items_diff(items.get(), 0, &desc, nullptr, nullptr, &err));
    EXPECT_LE(desc.max_js, std::numbers::ln2);
    return desc.mean_kl;
  };
  const Request base;
  EXPECT_EQ(mean_kl(base, base), 0.0);
  EXPECT_EQ(mean_kl(base, zero), 0.0) << "scale 0 is the base";
  EXPECT_EQ(mean_kl(one, one), 0.0) << "the same request on both sides";
  EXPECT_GT(mean_kl(base, half), 0.0);
  EXPECT_GT(mean_kl(base, one), mean_kl(base, half));
  EXPECT_GT(mean_kl(half, one), 0.0);
  Adapter noise;
  ASSERT_OK(inf_adapter_null(adapter.get(), 7, 0.02, 1.0, noise.out(), &err));
  EXPECT_GT(mean_kl(base, Under(noise)), 0.0);
  EXPECT_EQ(mean_kl(Under(noise), Under(noise)), 0.0);
}

TEST(Diff, TheLastPositionAndWhatFails) {
  const Adapter adapter = LoadAdapter();
  const Request request = Under(adapter);
  const Inputs inputs = TokenLists({kPrompt, {}, {1, 99999}});
  auto options = Sized<inf_diff_options>();
  options.flags = INF_DIFF_LAST;
  options.top_k = 64;
  inf_model* const model = SharedModel();
  Items items, none;
  ASSERT_OK(
      inf_diff(model, inputs.get(), nullptr, request.get(), &options, nullptr, items.out(), &err));
  auto desc = Sized<inf_diff_desc>();
  Floats values;
  Tokens moved;
  ASSERT_OK(inf_items_diff(items.get(), 0, &desc, nullptr, &values, &err));
  EXPECT_EQ(desc.positions, 1u);
  EXPECT_EQ(desc.base_logprob, 0.0);
  EXPECT_TRUE(std::isnan(values.data[INF_DIFF_BASE]));
  EXPECT_TRUE(std::isnan(values.data[INF_DIFF_ADAPTED]));
  EXPECT_GT(values.data[INF_DIFF_KL], 0.0f);
  ASSERT_OK(inf_items_moved(items.get(), 0, 0, &moved, nullptr, &err));
  EXPECT_EQ(moved.len, 64u);
  EXPECT_FAILS(INF_E_ARG, "text: has no tokens",
               inf_items_diff(items.get(), 1, &desc, nullptr, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "token 1: id is 99999",
               inf_items_moved(items.get(), 2, 0, &moved, nullptr, &err));
  const auto fails = [&](inf_status status, const char* text) {
    EXPECT_FAILS(
        status, text,
        inf_diff(model, inputs.get(), nullptr, request.get(), &options, nullptr, none.out(), &err));
    options = Sized<inf_diff_options>();
  };
  options.flags = 2;
  fails(INF_E_ARG, "options: flags");
  options.top_k = 65;
  fails(INF_E_ARG, "top_k is 65, want 0..64");
  options.window = 1;
  fails(INF_E_ARG, "the window is 1 tokens");
  options.struct_size = 8;
  fails(INF_E_ABI, "options: struct_size is 8");
  const Model other = LoadModel(kTinyModel);
  EXPECT_FAILS(INF_E_ARG, "was loaded for another model",
               inf_diff(other.get(), inputs.get(), request.get(), nullptr, nullptr, nullptr,
                        none.out(), &err));
  EXPECT_FAILS(
      INF_E_HANDLE, "adapted: is not a live inf_request",
      inf_diff(model, inputs.get(), nullptr, reinterpret_cast<const inf_request*>(items.get()),
               nullptr, nullptr, none.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "texts: is NULL",
               inf_diff(model, nullptr, nullptr, nullptr, nullptr, nullptr, none.out(), &err));
  EXPECT_FAILS(INF_E_ARG, "out",
               inf_diff(model, inputs.get(), nullptr, nullptr, nullptr, nullptr, nullptr, &err));
  Cancel cancel;
  ASSERT_OK(inf_cancel_new(cancel.out(), &err));
  inf_cancel_trigger(cancel.get());
  EXPECT_FAILS(INF_E_CANCELLED, "cancelled",
               inf_diff(model, inputs.get(), nullptr, request.get(), nullptr, cancel.get(),
                        none.out(), &err));
  EXPECT_EQ(none.get(), nullptr);
}

// Classes and vectors under an adapter have the bits of what a session under it computes.
TEST(UnderAdapters, ClassesAndVectors) {
  const Adapter adapter = LoadAdapter();
  const Request request = Under(adapter);
  inf_model* const model = SharedModel();
  const std::vector<Ids> texts = {kPrompt, {480, 9, 8}};
  const Inputs prompts = TokenLists(texts), labels = TokenLists({{350}, {7, 9}});
  Items plain, adapted, scored, scored_plain;
  ASSERT_OK(inf_classify(model, prompts.get(), nullptr, nullptr, INF_CLASSIFY_LOGITS, nullptr,
                         plain.out(), &err));
  ASSERT_OK(inf_classify(model, prompts.get(), nullptr, request.get(), INF_CLASSIFY_LOGITS, nullptr,
                         adapted.out(), &err));
  ASSERT_OK(inf_classify(model, prompts.get(), labels.get(), request.get(), 0, nullptr,
                         scored.out(), &err));
  auto desc = Sized<inf_class_desc>();
  Floats values, logits;
  for (uint64_t i = 0; i < 2; ++i) {
    const Session session = SessionUnder(adapter);
    ASSERT_OK(inf_session_logits(session.get(), texts[i].data(), texts[i].size(), nullptr, &logits,
                                 &err));
    ASSERT_OK(inf_items_class(adapted.get(), i, &desc, nullptr, &values, &err));
    const std::vector<float> all = Values(logits), got = Values(values);
    const std::vector<float> want(all.end() - static_cast<std::ptrdiff_t>(got.size()), all.end());
    EXPECT_EQ(got, want);
    EXPECT_EQ(desc.token, std::max_element(want.begin(), want.end()) - want.begin());
    ASSERT_OK(inf_items_class(plain.get(), i, &desc, nullptr, &values, &err));
    EXPECT_NE(Values(values), want) << "the adapter does nothing";
    ASSERT_OK(inf_items_class(scored.get(), i, &desc, nullptr, &values, &err));
    auto score = Sized<inf_score_desc>();
    const Ids label = {7, 9};
    ASSERT_OK(inf_score(session.get(), texts[i].data(), texts[i].size(), label.data(), 2, nullptr,
                        &score, nullptr, &err));
    EXPECT_EQ(values.data[1], static_cast<float>(score.total_logprob));
  }
  // The adapter is in the blocks: embeddings, layer 0, know nothing of it.
  auto options = Sized<inf_embed_options>();
  options.flags = INF_EMBED_RAW;
  const auto vector = [&](const inf_request* under, uint32_t layer) {
    options.request = under;
    options.layer = layer;
    Items items;
    EXPECT_OK(inf_embed(model, prompts.get(), &options, nullptr, items.out(), &err));
    Floats out;
    EXPECT_OK(inf_items_vector(items.get(), 0, &out, &err));
    return Values(out);
  };
  EXPECT_EQ(vector(request.get(), 1), vector(nullptr, 1));
  EXPECT_NE(vector(request.get(), 2), vector(nullptr, 2));
  EXPECT_NE(vector(request.get(), 0), vector(nullptr, 0));
  EXPECT_EQ(vector(Under(adapter, 0.0f).get(), 0), vector(nullptr, 0));
  const Model other = LoadModel(kTinyModel);
  Items none;
  EXPECT_FAILS(INF_E_ARG, "was loaded for another model",
               inf_classify(other.get(), prompts.get(), nullptr, request.get(), 0, nullptr,
                            none.out(), &err));
  options.request = request.get();
  EXPECT_FAILS(INF_E_ARG, "was loaded for another model",
               inf_embed(other.get(), prompts.get(), &options, nullptr, none.out(), &err));
  options.struct_size = offsetof(inf_embed_options, request);  // of a header without it
  EXPECT_OK(inf_embed(other.get(), prompts.get(), &options, nullptr, none.out(), &err));
}

}  // namespace
}  // namespace inference::capi_test
